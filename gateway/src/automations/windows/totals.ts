/** What can be said of many samples without keeping them, and joined with what is said of others. */
export class Totals {
  count = 0;
  sum = 0;
  mean = 0;
  /** Sum of squared distances from the mean. */
  spread = 0;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;

  clear(): void {
    this.count = 0;
    this.sum = 0;
    this.mean = 0;
    this.spread = 0;
    this.min = Number.POSITIVE_INFINITY;
    this.max = Number.NEGATIVE_INFINITY;
  }

  /** @see B. P. Welford, "Note on a Method for Calculating Corrected Sums of Squares", 1962 */
  add(value: number): void {
    this.count++;
    this.sum += value;
    const from = value - this.mean;
    this.mean += from / this.count;
    this.spread += from * (value - this.mean);
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
  }

  /** @see T. F. Chan et al., "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979 */
  join(other: Totals): void {
    if (other.count === 0) return;
    const count = this.count + other.count;
    const apart = other.mean - this.mean;
    this.spread += other.spread + (apart * apart * this.count * other.count) / count;
    this.mean += (apart * other.count) / count;
    this.sum += other.sum;
    this.count = count;
    if (other.min < this.min) this.min = other.min;
    if (other.max > this.max) this.max = other.max;
  }
}

export type TotalKind = 'min' | 'max' | 'avg' | 'stddev' | 'sum';

/** NaN of nothing. `stddev` is that of the population. */
export function totalOf(totals: Totals, kind: TotalKind): number {
  const { count } = totals;
  if (count === 0) return Number.NaN;
  switch (kind) {
    case 'min':
      return totals.min;
    case 'max':
      return totals.max;
    case 'avg':
      return totals.mean;
    case 'stddev':
      return Math.sqrt(Math.max(0, totals.spread / count));
    case 'sum':
      return totals.sum;
  }
}
