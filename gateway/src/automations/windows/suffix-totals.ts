import type { SampleRing } from './sample-ring.ts';
import { type TotalKind, Totals, totalOf } from './totals.ts';

/** What has to be known of the samples behind each one. */
const COLUMNS = {
  min: ['min'],
  max: ['max'],
  sum: ['sum'],
  avg: ['mean'],
  stddev: ['mean', 'spread'],
} as const satisfies Record<TotalKind, readonly (keyof Totals)[]>;

/**
 * One total over the samples of a ring from which the oldest fall out, without ever subtracting: a number that was huge
 * leaves nothing behind. The older samples carry, each, the total from it to the end of the older part; the newer part
 * has one running total. When the older part is used up, the newer one becomes it: each sample is looked at twice.
 *
 * @see K. Tangwongsan et al., "Low-Latency Sliding-Window Aggregation in Worst-Case Constant Time", 2017 (two stacks)
 */
export class SuffixTotals {
  readonly #ring: SampleRing;
  readonly #kind: TotalKind;
  readonly #newer = new Totals();
  readonly #joined = new Totals();
  /** Of every sample of the older part, by position. */
  #suffixes: Float64Array;
  /** Samples in the older part. */
  #older = 0;

  constructor(ring: SampleRing, kind: TotalKind) {
    this.#ring = ring;
    this.#kind = kind;
    this.#suffixes = new Float64Array(COLUMNS[kind].length * ring.room);
  }

  /** After a sample was pushed to the ring. */
  added(value: number): void {
    this.#newer.add(value);
  }

  /** After the oldest sample was dropped from the ring. */
  dropped(): void {
    if (this.#older === 0) this.rebuild();
    else this.#older--;
  }

  /** Makes all samples of the ring the older part. */
  rebuild(): void {
    const ring = this.#ring;
    const columns = COLUMNS[this.#kind];
    const room = columns.length * ring.room;
    if (this.#suffixes.length !== room) this.#suffixes = new Float64Array(room);
    const totals = this.#joined;
    totals.clear();
    for (let at = ring.size - 1; at >= 0; at--) {
      totals.add(ring.value(at));
      const first = columns.length * ring.positionOf(at);
      for (let column = 0; column < columns.length; column++)
        this.#suffixes[first + column] = totals[columns[column] ?? 'sum'];
    }
    this.#older = ring.size;
    this.#newer.clear();
  }

  total(): number {
    const totals = this.#joined;
    if (this.#older === 0) return totalOf(this.#newer, this.#kind);
    const columns = COLUMNS[this.#kind];
    const first = columns.length * this.#ring.positionOf(0);
    totals.clear();
    totals.count = this.#older;
    for (let column = 0; column < columns.length; column++)
      totals[columns[column] ?? 'sum'] = this.#suffixes[first + column] as number;
    totals.join(this.#newer);
    return totalOf(totals, this.#kind);
  }
}
