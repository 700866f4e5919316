const FIRST_ROOM = 16;

/** Numbers in order, for exact percentiles: as many as its window keeps, no more. */
export class SortedValues {
  #values = new Float64Array(FIRST_ROOM);
  #size = 0;

  add(value: number): void {
    if (this.#size === this.#values.length) {
      const grown = new Float64Array(2 * this.#size);
      grown.set(this.#values);
      this.#values = grown;
    }
    const at = this.#firstNotBelow(value);
    this.#values.copyWithin(at + 1, at, this.#size);
    this.#values[at] = value;
    this.#size++;
  }

  /** Takes out one number that was added. */
  remove(value: number): void {
    const at = this.#firstNotBelow(value);
    this.#values.copyWithin(at, at + 1, this.#size);
    this.#size--;
  }

  clear(): void {
    this.#size = 0;
  }

  /** Between the two nearest ranks, as `percentile_cont` of SQL; NaN of nothing. */
  percentile(percent: number): number {
    if (this.#size === 0) return Number.NaN;
    const rank = ((this.#size - 1) * percent) / 100;
    const below = Math.floor(rank);
    const low = this.#values[below] as number;
    const high = this.#values[Math.min(below + 1, this.#size - 1)] as number;
    return low === high ? low : low + (high - low) * (rank - below);
  }

  #firstNotBelow(value: number): number {
    let from = 0;
    let to = this.#size;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#values[middle] as number) < value) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
