import type { AggregateSpec } from '@millwright/protocol/automation';
import { KeptSamples } from './kept-samples.ts';
import { Totals, totalOf } from './totals.ts';

/** What the samples of one span boil down to; they are kept only where a percentile needs them. */
export class PassingSamples {
  readonly #of: AggregateSpec;
  readonly #totals = new Totals();
  readonly #kept: KeptSamples | undefined;
  #first = Number.NaN;
  #firstMs = 0;
  #last = Number.NaN;
  #lastMs = 0;

  /** @param maxKept samples of which a percentile is taken, the newest ones */
  constructor(of: AggregateSpec, maxKept: number) {
    this.#of = of;
    this.#kept = of.kind === 'percentile' ? new KeptSamples(of, maxKept) : undefined;
  }

  get count(): number {
    return this.#totals.count;
  }

  add(atMs: number, value: number): void {
    if (this.#totals.count === 0) {
      this.#first = value;
      this.#firstMs = atMs;
    }
    this.#last = value;
    this.#lastMs = atMs;
    this.#totals.add(value);
    this.#kept?.add(atMs, value);
  }

  clear(): void {
    this.#totals.clear();
    this.#kept?.clear();
  }

  /** NaN when these samples have none. */
  value(): number {
    const { kind } = this.#of;
    const { count } = this.#totals;
    switch (kind) {
      case 'count':
        return count;
      case 'percentile':
        return this.#kept?.value() ?? Number.NaN;
      case 'first':
        return count === 0 ? Number.NaN : this.#first;
      case 'last':
        return count === 0 ? Number.NaN : this.#last;
      case 'rate':
        return count < 2 || this.#lastMs <= this.#firstMs
          ? Number.NaN
          : (1000 * (this.#last - this.#first)) / (this.#lastMs - this.#firstMs);
      default:
        return totalOf(this.#totals, kind);
    }
  }
}
