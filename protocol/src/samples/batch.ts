import { LimitError } from '../errors.ts';
import type { PointNo } from '../ids.ts';
import { bad, GOOD, type QualityByte, qualityOf, reasonOf } from './quality.ts';
import { Kind, MAX_TEXT_LENGTH, type Sample, type Value } from './value.ts';

/**
 * Samples in columns: row `i` is `(point[i], tSourceMs[i], tGatewayMs[i], kind[i], value or bits or strings, quality[i])`.
 *
 * The columns are allocated once and reused: whoever receives a batch copies what it keeps before it returns.
 * `value` and `bits` are two views of the same 8 bytes per row: `float64` and `bool` (0 or 1) live in `value`,
 * `int64` and `uint64` in `bits`, `text` is an index into `strings` kept in `value`.
 */
export class SampleBatch {
  readonly capacity: number;
  length = 0;
  readonly point: Uint32Array;
  readonly tSourceMs: Float64Array;
  readonly tGatewayMs: Float64Array;
  readonly kind: Uint8Array;
  readonly quality: Uint8Array;
  readonly value: Float64Array;
  readonly bits: BigInt64Array;
  /** The same cells as pairs of 32-bit words: copies any kind without a BigInt and without touching a NaN's payload. */
  readonly words: Int32Array;
  /** Texts of this batch; not deduplicated. */
  readonly strings: string[] = [];

  constructor(capacity: number) {
    this.capacity = capacity;
    this.point = new Uint32Array(capacity);
    this.tSourceMs = new Float64Array(capacity);
    this.tGatewayMs = new Float64Array(capacity);
    this.kind = new Uint8Array(capacity);
    this.quality = new Uint8Array(capacity);
    const cells = new ArrayBuffer(capacity * 8);
    this.value = new Float64Array(cells);
    this.bits = new BigInt64Array(cells);
    this.words = new Int32Array(cells);
  }

  get isFull(): boolean {
    return this.length === this.capacity;
  }

  clear(): void {
    this.length = 0;
    this.strings.length = 0;
  }

  pushNumber(
    point: PointNo,
    tSourceMs: number,
    tGatewayMs: number,
    value: number,
    quality: QualityByte = GOOD,
  ): void {
    this.value[this.#row(point, tSourceMs, tGatewayMs, Kind.float64, quality)] = value;
  }

  pushBool(
    point: PointNo,
    tSourceMs: number,
    tGatewayMs: number,
    value: boolean,
    quality: QualityByte = GOOD,
  ): void {
    this.value[this.#row(point, tSourceMs, tGatewayMs, Kind.bool, quality)] = value ? 1 : 0;
  }

  /** @param value −2^63 … 2^63−1 for `int64`, 0 … 2^64−1 for `uint64` */
  pushInt(
    point: PointNo,
    tSourceMs: number,
    tGatewayMs: number,
    value: bigint,
    quality: QualityByte = GOOD,
    kind: typeof Kind.int64 | typeof Kind.uint64 = Kind.int64,
  ): void {
    this.bits[this.#row(point, tSourceMs, tGatewayMs, kind, quality)] = value;
  }

  /** A text longer than `MAX_TEXT_LENGTH` becomes no value, `bad` with reason `out-of-range`: it is never cut. */
  pushText(
    point: PointNo,
    tSourceMs: number,
    tGatewayMs: number,
    value: string,
    quality: QualityByte = GOOD,
  ): void {
    if (value.length > MAX_TEXT_LENGTH) {
      this.pushNull(point, tSourceMs, tGatewayMs, bad('out-of-range'));
      return;
    }
    this.value[this.#row(point, tSourceMs, tGatewayMs, Kind.text, quality)] = this.strings.push(value) - 1;
  }

  /** No value, only the reason: what a driver reports for every point of a device it cannot reach. */
  pushNull(point: PointNo, tSourceMs: number, tGatewayMs: number, quality: QualityByte): void {
    this.value[this.#row(point, tSourceMs, tGatewayMs, Kind.null, quality)] = 0;
  }

  /** Any value by its JavaScript type; a `bigint` above 2^63−1 is kept as `uint64`. */
  push(
    point: PointNo,
    tSourceMs: number,
    tGatewayMs: number,
    value: Value,
    quality: QualityByte = GOOD,
  ): void {
    if (value === null) this.pushNull(point, tSourceMs, tGatewayMs, quality);
    else if (typeof value === 'number') this.pushNumber(point, tSourceMs, tGatewayMs, value, quality);
    else if (typeof value === 'boolean') this.pushBool(point, tSourceMs, tGatewayMs, value, quality);
    else if (typeof value === 'string') this.pushText(point, tSourceMs, tGatewayMs, value, quality);
    else {
      const kind = value > 0x7fff_ffff_ffff_ffffn ? Kind.uint64 : Kind.int64;
      this.pushInt(point, tSourceMs, tGatewayMs, value, quality, kind);
    }
  }

  /** Copies row `row` of `from` to the end of this batch. */
  copyRow(from: SampleBatch, row: number): void {
    const at = this.#row(
      from.point[row] as PointNo,
      from.tSourceMs[row] as number,
      from.tGatewayMs[row] as number,
      from.kind[row] as Kind,
      from.quality[row] as number,
    );
    if (from.kind[row] === Kind.text) {
      this.value[at] = this.strings.push(from.strings[from.value[row] as number] ?? '') - 1;
    } else {
      this.words[2 * at] = from.words[2 * row] as number;
      this.words[2 * at + 1] = from.words[2 * row + 1] as number;
    }
  }

  valueAt(row: number): Value {
    switch (this.kind[row]) {
      case Kind.float64:
        return this.value[row] as number;
      case Kind.bool:
        return this.value[row] !== 0;
      case Kind.int64:
        return this.bits[row] as bigint;
      case Kind.uint64:
        return BigInt.asUintN(64, this.bits[row] as bigint);
      case Kind.text:
        return this.strings[this.value[row] as number] ?? '';
      default:
        return null;
    }
  }

  /** For people and tests; allocates. */
  sampleAt(row: number): Sample & { readonly point: PointNo } {
    const quality = this.quality[row] as number;
    const reason = reasonOf(quality);
    return {
      point: this.point[row] as PointNo,
      v: this.valueAt(row),
      q: qualityOf(quality),
      ...(reason === 'none' ? {} : { why: reason }),
      tSource: this.tSourceMs[row] as number,
      tGateway: this.tGatewayMs[row] as number,
    };
  }

  #row(point: PointNo, tSourceMs: number, tGatewayMs: number, kind: Kind, quality: QualityByte): number {
    const at = this.length;
    if (at === this.capacity) {
      throw new LimitError('BATCH_FULL', `sample batch is full at ${this.capacity} rows`, { retry: 'never' });
    }
    this.length = at + 1;
    this.point[at] = point;
    this.tSourceMs[at] = tSourceMs;
    this.tGatewayMs[at] = tGatewayMs;
    this.kind[at] = kind;
    this.quality[at] = quality;
    return at;
  }
}

/** Receives samples synchronously; the batch belongs to the sender again once this returns. */
export type SampleSink = (batch: SampleBatch) => void;
