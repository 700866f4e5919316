import { type JsonValue, Kind, qualityOf, type SampleBatch, toJsonValue } from '@millwright/protocol';
import type { HistoryPoint } from '../api/schemas.ts';
import { numberAt } from '../ingest/rollup-accumulator.ts';

type BucketPoint = Extract<HistoryPoint, { count: number }>;

interface Bucket {
  t: number;
  min: number;
  max: number;
  sum: number;
  count: number;
  bad: number;
  last: JsonValue;
  lastMs: number;
  q: BucketPoint['q'];
}

/** A bucket as the database keeps it. */
export interface StoredBucket {
  readonly t: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly sum: number | null;
  readonly count: number;
  readonly bad: number;
  readonly last: JsonValue;
  readonly last_ms: number;
  readonly last_quality: number;
}

/** Samples and stored buckets, gathered into buckets of one width. */
export class Buckets {
  readonly stepMs: number;
  readonly #buckets = new Map<number, Bucket>();

  constructor(stepMs: number) {
    this.stepMs = stepMs;
  }

  get size(): number {
    return this.#buckets.size;
  }

  addSample(batch: SampleBatch, row: number): void {
    const tMs = batch.tSourceMs[row] as number;
    const quality = batch.quality[row] as number;
    const bucket = this.#at(tMs);
    const value = numberAt(batch, row);
    if (Number.isFinite(value) && qualityOf(quality) !== 'bad') {
      bucket.min = Math.min(bucket.min, value);
      bucket.max = Math.max(bucket.max, value);
      bucket.sum += value;
      bucket.count += 1;
    } else if (batch.kind[row] !== Kind.text || qualityOf(quality) === 'bad') {
      bucket.bad += 1;
    }
    if (tMs < bucket.lastMs) return;
    bucket.lastMs = tMs;
    bucket.last = toJsonValue(batch.valueAt(row));
    bucket.q = qualityOf(quality);
  }

  addStored(stored: StoredBucket): void {
    const bucket = this.#at(stored.t);
    bucket.min = Math.min(bucket.min, stored.min ?? Number.POSITIVE_INFINITY);
    bucket.max = Math.max(bucket.max, stored.max ?? Number.NEGATIVE_INFINITY);
    bucket.sum += stored.sum ?? 0;
    bucket.count += stored.count;
    bucket.bad += stored.bad;
    if (stored.last_ms < bucket.lastMs) return;
    bucket.lastMs = stored.last_ms;
    bucket.last = stored.last;
    bucket.q = qualityOf(stored.last_quality);
  }

  /** In order of time. */
  points(): BucketPoint[] {
    return [...this.#buckets.values()]
      .sort((a, b) => a.t - b.t)
      .map(({ t, min, max, sum, count, bad, last, q }) => ({
        t,
        min: count > 0 ? min : null,
        max: count > 0 ? max : null,
        mean: count > 0 ? sum / count : null,
        last,
        count,
        bad,
        q,
      }));
  }

  #at(ms: number): Bucket {
    const t = Math.floor(ms / this.stepMs) * this.stepMs;
    let bucket = this.#buckets.get(t);
    if (bucket === undefined) {
      bucket = {
        t,
        min: Number.POSITIVE_INFINITY,
        max: Number.NEGATIVE_INFINITY,
        sum: 0,
        count: 0,
        bad: 0,
        last: null,
        lastMs: Number.NEGATIVE_INFINITY,
        q: 'good',
      };
      this.#buckets.set(t, bucket);
    }
    return bucket;
  }
}
