import type { AggregateSpec } from '@millwright/protocol/automation';
import { SampleRing } from './sample-ring.ts';
import { SortedValues } from './sorted-values.ts';
import { SuffixTotals } from './suffix-totals.ts';

/** The newest samples of a point and what they boil down to, kept up to date sample by sample. */
export class KeptSamples {
  readonly #of: AggregateSpec;
  readonly #ring: SampleRing;
  readonly #totals: SuffixTotals | undefined;
  readonly #sorted: SortedValues | undefined;

  constructor(of: AggregateSpec, maxSize: number) {
    this.#of = of;
    this.#ring = new SampleRing(maxSize);
    if (of.kind === 'percentile') this.#sorted = new SortedValues();
    else if (of.kind !== 'count' && of.kind !== 'rate' && of.kind !== 'first' && of.kind !== 'last')
      this.#totals = new SuffixTotals(this.#ring, of.kind);
  }

  get size(): number {
    return this.#ring.size;
  }

  /** When the oldest came; there must be one. */
  get oldestMs(): number {
    return this.#ring.timeMs(0);
  }

  /** The oldest goes when there is no room. */
  add(atMs: number, value: number): void {
    if (this.#ring.isFull) this.dropOldest();
    if (this.#ring.growIfNeeded()) this.#totals?.rebuild();
    this.#ring.push(atMs, value);
    this.#totals?.added(value);
    this.#sorted?.add(value);
  }

  dropOldest(): void {
    this.#sorted?.remove(this.#ring.value(0));
    this.#ring.dropOldest();
    this.#totals?.dropped();
  }

  clear(): void {
    this.#ring.clear();
    this.#totals?.rebuild();
    this.#sorted?.clear();
  }

  /** NaN when these samples have none. */
  value(): number {
    const ring = this.#ring;
    const of = this.#of;
    switch (of.kind) {
      case 'count':
        return ring.size;
      case 'first':
        return ring.size === 0 ? Number.NaN : ring.value(0);
      case 'last':
        return ring.size === 0 ? Number.NaN : ring.value(ring.size - 1);
      case 'rate':
        return rateOf(ring);
      case 'percentile':
        return this.#sorted?.percentile(of.percent) ?? Number.NaN;
      default:
        return this.#totals?.total() ?? Number.NaN;
    }
  }
}

function rateOf(ring: SampleRing): number {
  const last = ring.size - 1;
  if (last < 1) return Number.NaN;
  const passedMs = ring.timeMs(last) - ring.timeMs(0);
  return passedMs <= 0 ? Number.NaN : (1000 * (ring.value(last) - ring.value(0))) / passedMs;
}
