import { ByteWriter } from './bytes.ts';
import type { IntegerEncoder } from './encode-integers.ts';
import { commonUnit, growFloat64, growInt32 } from './integers.ts';
import { TimeForm } from './layout.ts';
import { clampMs, isPlainMs, type TimelineTracker } from './timeline-tracker.ts';

const TWO32 = 0x1_0000_0000;

/** Writes each distinct timeline once and knows which node became which timeline. */
export class TimelineEncoder {
  readonly #integers: IntegerEncoder;
  #times: TimelineTracker | undefined;
  #directory = new ByteWriter(0);
  #data = new ByteWriter(0);
  #timelines = new Int32Array(64);
  #tSourceMs = new Float64Array(64);
  #tGatewayMs = new Float64Array(64);
  #scratch = new Float64Array(64);
  size = 0;

  constructor(deps: { readonly integers: IntegerEncoder }) {
    this.#integers = deps.integers;
  }

  begin(times: TimelineTracker, directory: ByteWriter, data: ByteWriter): void {
    this.#times = times;
    this.#directory = directory;
    this.#data = data;
    this.size = 0;
    this.#timelines = growInt32(this.#timelines, times.nodes, 0);
    this.#timelines.fill(-1, 0, times.nodes);
  }

  timelineOf(node: number): number {
    return this.#timelines[node] as number;
  }

  /** Writes the node's timeline if it is not there yet. */
  add(node: number): void {
    const times = this.#times;
    if (times === undefined || (this.#timelines[node] as number) >= 0) return;
    this.#timelines[node] = this.size++;
    const count = times.depthOf[node] as number;
    this.#reserve(count);
    let first = Number.POSITIVE_INFINITY;
    let last = Number.NEGATIVE_INFINITY;
    let isPlain = true;
    for (let at = node, index = count - 1; index >= 0; index--) {
      const instant = times.instantOf[at] as number;
      const tSourceMs = times.tSourceMs[instant] as number;
      const tGatewayMs = times.tGatewayMs[instant] as number;
      this.#tSourceMs[index] = tSourceMs;
      this.#tGatewayMs[index] = tGatewayMs;
      isPlain &&= isPlainMs(tSourceMs) && isPlainMs(tGatewayMs);
      const ms = clampMs(tSourceMs);
      if (ms < first) first = ms;
      if (ms > last) last = ms;
      at = times.parentOf[at] as number;
    }
    first = Math.floor(first);
    last = Math.ceil(last);
    const start = this.#data.length;
    if (isPlain) this.#wholes(count, first);
    else this.#doubles(count);
    this.#directory.varint(count);
    this.#directory.varint(first - times.firstMs);
    this.#directory.varint(last - first);
    this.#directory.varint(this.#data.length - start);
  }

  #wholes(count: number, firstMs: number): void {
    const scratch = this.#scratch;
    this.#data.byte(TimeForm.whole);
    for (let index = 0; index < count; index++) scratch[index] = (this.#tSourceMs[index] as number) - firstMs;
    const unit = commonUnit(scratch, count);
    if (unit > 1) {
      for (let index = 0; index < count; index++) scratch[index] = (scratch[index] as number) / unit;
    }
    this.#data.varint(unit);
    this.#integers.encode(this.#data, scratch, count);
    for (let index = 0; index < count; index++) {
      scratch[index] = (this.#tGatewayMs[index] as number) - (this.#tSourceMs[index] as number);
    }
    this.#integers.encode(this.#data, scratch, count);
  }

  #doubles(count: number): void {
    this.#data.byte(TimeForm.doubles);
    for (const column of [this.#tSourceMs, this.#tGatewayMs]) {
      const words = new Int32Array(column.buffer);
      for (let half = 1; half >= 0; half--) {
        for (let index = 0; index < count; index++) {
          const word = words[2 * index + half] as number;
          this.#scratch[index] = half === 1 ? word : (word + TWO32) % TWO32;
        }
        this.#integers.encode(this.#data, this.#scratch, count);
      }
    }
  }

  #reserve(count: number): void {
    this.#tSourceMs = growFloat64(this.#tSourceMs, count, 0);
    this.#tGatewayMs = growFloat64(this.#tGatewayMs, count, 0);
    this.#scratch = growFloat64(this.#scratch, count, 0);
  }
}
