const FIRST_ROOM = 16;

/** Samples in the order they came: a ring that grows up to a bound, and then forgets the oldest for each new one. */
export class SampleRing {
  readonly #maxSize: number;
  #times: Float64Array;
  #values: Float64Array;
  #head = 0;
  #size = 0;

  constructor(maxSize: number) {
    this.#maxSize = maxSize;
    const room = Math.min(FIRST_ROOM, maxSize);
    this.#times = new Float64Array(room);
    this.#values = new Float64Array(room);
  }

  get size(): number {
    return this.#size;
  }

  /** Places it has room for now; positions count from 0 to this. */
  get room(): number {
    return this.#values.length;
  }

  get isFull(): boolean {
    return this.#size === this.#maxSize;
  }

  /** Makes room for one more. @returns whether positions have changed */
  growIfNeeded(): boolean {
    const room = this.#values.length;
    if (this.#size < room || room >= this.#maxSize) return false;
    const times = new Float64Array(Math.min(2 * room, this.#maxSize));
    const values = new Float64Array(times.length);
    for (let at = 0; at < this.#size; at++) {
      const position = this.positionOf(at);
      times[at] = this.#times[position] as number;
      values[at] = this.#values[position] as number;
    }
    this.#times = times;
    this.#values = values;
    this.#head = 0;
    return true;
  }

  /** @returns its position; there must be room */
  push(atMs: number, value: number): number {
    const position = this.positionOf(this.#size);
    this.#times[position] = atMs;
    this.#values[position] = value;
    this.#size++;
    return position;
  }

  dropOldest(): void {
    this.#head = this.#head + 1 === this.#values.length ? 0 : this.#head + 1;
    this.#size--;
  }

  clear(): void {
    this.#head = 0;
    this.#size = 0;
  }

  /** Where the `at`-th oldest sample lies. */
  positionOf(at: number): number {
    const position = this.#head + at;
    return position >= this.#values.length ? position - this.#values.length : position;
  }

  /** Of the `at`-th oldest sample. */
  value(at: number): number {
    return this.#values[this.positionOf(at)] as number;
  }

  /** Of the `at`-th oldest sample. */
  timeMs(at: number): number {
    return this.#times[this.positionOf(at)] as number;
  }
}
