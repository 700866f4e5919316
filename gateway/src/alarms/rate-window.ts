const PARTS = 20;

/** Smallest and largest value of the last so many milliseconds, to a twentieth of them, in fixed memory. */
export class RateWindow {
  readonly #partMs: number;
  readonly #part = new Float64Array(PARTS).fill(Number.NEGATIVE_INFINITY);
  readonly #min = new Float64Array(PARTS);
  readonly #max = new Float64Array(PARTS);
  min = Number.NaN;
  max = Number.NaN;

  constructor(windowMs: number) {
    this.#partMs = Math.max(1, windowMs / PARTS);
  }

  /** @param nowMs monotonic */
  add(value: number, nowMs: number): void {
    const part = Math.floor(nowMs / this.#partMs);
    const at = part % PARTS;
    const isNew = this.#part[at] !== part;
    this.#part[at] = part;
    this.#min[at] = isNew ? value : Math.min(value, this.#min[at] as number);
    this.#max[at] = isNew ? value : Math.max(value, this.#max[at] as number);
    let [min, max] = [value, value];
    for (let other = 0; other < PARTS; other++) {
      if ((this.#part[other] as number) <= part - PARTS) continue;
      min = Math.min(min, this.#min[other] as number);
      max = Math.max(max, this.#max[other] as number);
    }
    this.min = min;
    this.max = max;
  }

  /** A value that cannot be trusted: what comes next is compared with nothing before it. */
  clear(): void {
    this.#part.fill(Number.NEGATIVE_INFINITY);
  }
}
