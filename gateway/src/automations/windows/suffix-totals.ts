import type { SampleRing } from './sample-ring.ts';
import { type TotalKind, Totals, totalOf } from './totals.ts';

const COLUMNS = 5;

/**
 * Totals over the samples of a ring from which the oldest fall out, without ever subtracting: a number that was huge
 * leaves nothing behind. The older samples carry, each, the totals from it to the end of the older part; the newer part
 * has one running total. When the older part is used up, the newer one becomes it: each sample is looked at twice.
 *
 * @see K. Tangwongsan et al., "Low-Latency Sliding-Window Aggregation in Worst-Case Constant Time", 2017 (two stacks)
 */
export class SuffixTotals {
  readonly #ring: SampleRing;
  readonly #newer = new Totals();
  readonly #joined = new Totals();
  /** Of every sample of the older part, by position: sum, mean, spread, min, max. */
  #suffixes: Float64Array;
  /** Samples in the older part. */
  #older = 0;

  constructor(ring: SampleRing) {
    this.#ring = ring;
    this.#suffixes = new Float64Array(COLUMNS * ring.room);
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
    const room = COLUMNS * ring.room;
    if (this.#suffixes.length !== room) this.#suffixes = new Float64Array(room);
    const totals = this.#joined;
    totals.clear();
    for (let at = ring.size - 1; at >= 0; at--) {
      totals.add(ring.value(at));
      const column = COLUMNS * ring.positionOf(at);
      this.#suffixes[column] = totals.sum;
      this.#suffixes[column + 1] = totals.mean;
      this.#suffixes[column + 2] = totals.spread;
      this.#suffixes[column + 3] = totals.min;
      this.#suffixes[column + 4] = totals.max;
    }
    this.#older = ring.size;
    this.#newer.clear();
  }

  total(kind: TotalKind): number {
    const totals = this.#joined;
    if (this.#older === 0) return totalOf(this.#newer, kind);
    const column = COLUMNS * this.#ring.positionOf(0);
    totals.count = this.#older;
    totals.sum = this.#suffixes[column] as number;
    totals.mean = this.#suffixes[column + 1] as number;
    totals.spread = this.#suffixes[column + 2] as number;
    totals.min = this.#suffixes[column + 3] as number;
    totals.max = this.#suffixes[column + 4] as number;
    totals.join(this.#newer);
    return totalOf(totals, kind);
  }
}
