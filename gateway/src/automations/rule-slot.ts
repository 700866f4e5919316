import {
  bad,
  GOOD,
  Kind,
  type QualityByte,
  qualityOf,
  reasonOf,
  type SampleBatch,
  type Value,
} from '@millwright/protocol';
import type { RuleInput } from '@millwright/protocol/automation';
import { createWindow, type SampleWindow } from './windows/window.ts';

const NOT_YET_READ = bad('not-yet-read');

/** One input of one rule: the newest value of its point, or what its window makes of the values. */
export class RuleSlot {
  readonly input: RuleInput;
  readonly window: SampleWindow | undefined;
  /** The turn of the engine in which it last took a sample. */
  turn = -1;
  quality: QualityByte = NOT_YET_READ;
  /** Engine time of the newest sample. */
  atMs = Number.NEGATIVE_INFINITY;
  #isNumber = false;
  #number = Number.NaN;
  #other: boolean | string | null = null;

  constructor(input: RuleInput, nowMs: number) {
    this.input = input;
    this.window = input.window && createWindow(input.window.spec, input.window.of, nowMs);
  }

  get value(): Value {
    return this.#isNumber ? this.#number : this.#other;
  }

  /** @returns whether the rule has to be looked at */
  take(batch: SampleBatch, row: number, nowMs: number): boolean {
    const quality = batch.quality[row] as number;
    const kind = batch.kind[row] as number;
    if (kind === Kind.text)
      return this.#takeOther(quality, batch.strings[batch.value[row] as number] ?? '', nowMs);
    if (kind === Kind.null) return this.#takeOther(quality, null, nowMs);
    if (kind === Kind.bool && this.input.as !== 'number')
      return this.#takeOther(quality, batch.value[row] !== 0, nowMs);
    return this.#takeNumber(quality, numberAt(batch, row), nowMs);
  }

  /** Begins with what is already known of its point; a window does not count it. */
  seed(value: Value, quality: QualityByte, nowMs: number): void {
    if (this.window !== undefined) return;
    const number = typeof value === 'bigint' ? Number(value) : value;
    if (typeof number === 'number') this.#takeNumber(quality, number, nowMs);
    else if (typeof number === 'boolean' && this.input.as === 'number')
      this.#takeNumber(quality, number ? 1 : 0, nowMs);
    else this.#takeOther(quality, number, nowMs);
  }

  /** Lets time pass. */
  advance(nowMs: number): void {
    if (this.window === undefined) return;
    this.window.advance(nowMs);
    this.#showWindow(this.window);
  }

  #takeNumber(quality: QualityByte, value: number, nowMs: number): boolean {
    this.atMs = nowMs;
    if (this.window !== undefined) {
      // A value that is repeated because it is old is no new sample.
      const isUsable =
        qualityOf(quality) !== 'bad' && reasonOf(quality) !== 'stale' && Number.isFinite(value);
      if (isUsable) this.window.add(nowMs, value);
      return isUsable;
    }
    const isNews = !this.#isNumber || value !== this.#number || quality !== this.quality;
    this.#isNumber = true;
    this.#number = value;
    this.quality = quality;
    return isNews;
  }

  #takeOther(quality: QualityByte, value: boolean | string | null, nowMs: number): boolean {
    this.atMs = nowMs;
    if (this.window !== undefined) return false;
    const isNews = this.#isNumber || value !== this.#other || quality !== this.quality;
    this.#isNumber = false;
    this.#other = value;
    this.quality = quality;
    return isNews;
  }

  #showWindow(window: SampleWindow): void {
    const value = window.value();
    const hasValue = !Number.isNaN(value);
    this.#isNumber = hasValue;
    this.#number = value;
    this.#other = null;
    this.quality = hasValue ? GOOD : NOT_YET_READ;
  }
}

/** Without a BigInt: beyond ±2^53 the last digits are lost, as in the expressions themselves. */
function numberAt(batch: SampleBatch, row: number): number {
  const kind = batch.kind[row];
  if (kind !== Kind.int64 && kind !== Kind.uint64) return batch.value[row] as number;
  const low = (batch.words[2 * row] as number) >>> 0;
  const high = batch.words[2 * row + 1] as number;
  return (kind === Kind.uint64 ? high >>> 0 : high) * 0x1_0000_0000 + low;
}
