import { Kind, qualityOf, type SampleBatch } from '@millwright/protocol';

/** Column of buckets; grows by doubling, is emptied and used again. `NaN` = no usable number. */
export class RollupColumns {
  length = 0;
  series = new Int32Array(1024);
  bucketMs = new Float64Array(1024);
  min = new Float64Array(1024);
  max = new Float64Array(1024);
  sum = new Float64Array(1024);
  count = new Int32Array(1024);
  bad = new Int32Array(1024);
  last = new Float64Array(1024);
  lastMs = new Float64Array(1024);
  lastGatewayMs = new Float64Array(1024);
  lastQuality = new Uint8Array(1024);
  lastText: (string | undefined)[] = [];

  clear(): void {
    this.length = 0;
    this.lastText.length = 0;
  }

  /** An empty bucket. @returns its row */
  add(series: number, bucketMs: number): number {
    const row = this.length++;
    if (row === this.series.length) this.#grow();
    this.series[row] = series;
    this.bucketMs[row] = bucketMs;
    this.min[row] = Number.NaN;
    this.max[row] = Number.NaN;
    this.sum[row] = 0;
    this.count[row] = 0;
    this.bad[row] = 0;
    this.last[row] = Number.NaN;
    this.lastMs[row] = Number.NEGATIVE_INFINITY;
    this.lastGatewayMs[row] = 0;
    this.lastQuality[row] = 0;
    this.lastText[row] = undefined;
    return row;
  }

  #grow(): void {
    this.series = grown(this.series, Int32Array);
    this.bucketMs = grown(this.bucketMs, Float64Array);
    this.min = grown(this.min, Float64Array);
    this.max = grown(this.max, Float64Array);
    this.sum = grown(this.sum, Float64Array);
    this.count = grown(this.count, Int32Array);
    this.bad = grown(this.bad, Int32Array);
    this.last = grown(this.last, Float64Array);
    this.lastMs = grown(this.lastMs, Float64Array);
    this.lastGatewayMs = grown(this.lastGatewayMs, Float64Array);
    this.lastQuality = grown(this.lastQuality, Uint8Array);
  }
}

type Column = Int32Array<ArrayBuffer> | Float64Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;
function grown<T extends Column>(column: T, Type: new (length: number) => T): T {
  const wider = new Type(2 * column.length);
  wider.set(column);
  return wider;
}

/** Beyond this a device's clock is not a date; such a sample is filed under the gateway's time. */
const LATEST_MS = Date.UTC(2200, 0);
/** Series and minutes in one number below 2^53. */
const MINUTES = 2 ** 27;
const MINUTE_MS = 60_000;

/** Gathers samples into buckets of one minute, and those into wider ones. Allocates per bucket, not per sample. */
export class RollupAccumulator {
  readonly minutes = new RollupColumns();
  readonly #rows = new Map<number, number>();

  clear(): void {
    this.minutes.clear();
    this.#rows.clear();
  }

  /**
   * Adds all samples of `batch`.
   * @param seriesOf point number → series; every point of the batch has one
   */
  add(batch: SampleBatch, seriesOf: (no: number) => number): void {
    const { point, tSourceMs, tGatewayMs } = batch;
    let no = -1;
    let series = 0;
    let bucketMs = Number.NaN;
    let row = 0;
    for (let at = 0; at < batch.length; at++) {
      const sourceMs = tSourceMs[at] as number;
      const tMs = isDate(sourceMs)
        ? sourceMs
        : isDate(tGatewayMs[at] as number)
          ? (tGatewayMs[at] as number)
          : 0;
      const isNext = point[at] !== no;
      if (isNext) {
        no = point[at] as number;
        series = seriesOf(no);
      }
      // Compares false with NaN, so that the first sample looks its bucket up.
      if (isNext || !(tMs >= bucketMs && tMs < bucketMs + MINUTE_MS)) {
        bucketMs = Math.floor(tMs / MINUTE_MS) * MINUTE_MS;
        row = this.#row(series, bucketMs);
      }
      this.#addSample(row, batch, at, tMs);
    }
  }

  /** Writes the same buckets, gathered into ones of `widthMs`, to `into`. */
  widen(widthMs: number, into: RollupColumns): void {
    const from = this.minutes;
    const rows = new Map<number, number>();
    into.clear();
    for (let at = 0; at < from.length; at++) {
      const series = from.series[at] as number;
      const bucketMs = Math.floor((from.bucketMs[at] as number) / widthMs) * widthMs;
      const key = keyOf(series, bucketMs);
      let row = rows.get(key);
      if (row === undefined) {
        row = into.add(series, bucketMs);
        rows.set(key, row);
      }
      mergeBucket(into, row, from, at);
    }
  }

  #row(series: number, bucketMs: number): number {
    const key = keyOf(series, bucketMs);
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = this.minutes.add(series, bucketMs);
      this.#rows.set(key, row);
    }
    return row;
  }

  #addSample(row: number, batch: SampleBatch, at: number, tMs: number): void {
    const to = this.minutes;
    const quality = batch.quality[at] as number;
    const value = numberAt(batch, at);
    // NaN and infinities are values a device may send, but no mean survives them.
    const usable = Number.isFinite(value) && (quality & 3) !== 2;
    if (usable) {
      if (to.count[row] === 0) {
        to.min[row] = value;
        to.max[row] = value;
      } else {
        if (value < (to.min[row] as number)) to.min[row] = value;
        if (value > (to.max[row] as number)) to.max[row] = value;
      }
      to.sum[row] = (to.sum[row] as number) + value;
      to.count[row] = (to.count[row] as number) + 1;
    } else if (batch.kind[at] !== Kind.text || qualityOf(quality) === 'bad') {
      to.bad[row] = (to.bad[row] as number) + 1;
    }
    if (tMs < (to.lastMs[row] as number)) return;
    to.lastMs[row] = tMs;
    to.lastGatewayMs[row] = batch.tGatewayMs[at] as number;
    to.lastQuality[row] = quality;
    to.last[row] = value;
    to.lastText[row] = Number.isNaN(value) || !Number.isSafeInteger(value) ? textAt(batch, at) : undefined;
  }
}

function mergeBucket(to: RollupColumns, row: number, from: RollupColumns, at: number): void {
  if ((from.count[at] as number) > 0) {
    const first = to.count[row] === 0;
    const min = from.min[at] as number;
    const max = from.max[at] as number;
    if (first || min < (to.min[row] as number)) to.min[row] = min;
    if (first || max > (to.max[row] as number)) to.max[row] = max;
    to.sum[row] = (to.sum[row] as number) + (from.sum[at] as number);
    to.count[row] = (to.count[row] as number) + (from.count[at] as number);
  }
  to.bad[row] = (to.bad[row] as number) + (from.bad[at] as number);
  if ((from.lastMs[at] as number) < (to.lastMs[row] as number)) return;
  to.lastMs[row] = from.lastMs[at] as number;
  to.lastGatewayMs[row] = from.lastGatewayMs[at] as number;
  to.lastQuality[row] = from.lastQuality[at] as number;
  to.last[row] = from.last[at] as number;
  to.lastText[row] = from.lastText[at];
}

function isDate(ms: number): boolean {
  return ms >= 0 && ms < LATEST_MS;
}

function keyOf(series: number, bucketMs: number): number {
  return series * MINUTES + bucketMs / MINUTE_MS;
}

/** As a double; NaN for texts and nulls. */
export function numberAt(batch: SampleBatch, at: number): number {
  switch (batch.kind[at]) {
    case Kind.float64:
    case Kind.bool:
      return batch.value[at] as number;
    case Kind.int64:
      return (batch.words[2 * at + 1] as number) * 2 ** 32 + ((batch.words[2 * at] as number) >>> 0);
    case Kind.uint64:
      return ((batch.words[2 * at + 1] as number) >>> 0) * 2 ** 32 + ((batch.words[2 * at] as number) >>> 0);
    default:
      return Number.NaN;
  }
}

/** What a double cannot hold: a text, a NaN or infinity by name, an integer beyond 2^53. */
function textAt(batch: SampleBatch, at: number): string | undefined {
  switch (batch.kind[at]) {
    case Kind.text:
      // PostgreSQL's text has no NUL.
      return (batch.strings[batch.value[at] as number] ?? '').replaceAll('\0', '\ufffd');
    case Kind.int64:
    case Kind.uint64:
      return String(batch.valueAt(at));
    case Kind.float64:
      return Number.isFinite(batch.value[at]) ? undefined : String(batch.value[at]);
    default:
      return undefined;
  }
}
