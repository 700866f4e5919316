/** Scans in a row that make the group late, or on time again: one hiccup is no news. */
const LATE_AFTER = 3;
const ON_TIME_AFTER = 30;

interface Due {
  readonly notBeforeMs: number;
}

/**
 * The requests that share a period. Ticks stand on a grid; a tick that falls due while the scan is still
 * running, or was slept through, is skipped: work never piles up.
 */
export class ScanGroup<B extends Due> {
  readonly name: string;
  readonly periodMs: number;
  blocks: B[] = [];
  /** Whether scans keep beginning a whole period late or more. */
  isLate = false;
  wasLate = false;
  skippedTicks = 0;
  #dueMs = 0;
  #at = -1;
  #streak = 0;

  constructor(name: string, periodMs: number) {
    this.name = name;
    this.periodMs = periodMs;
  }

  /** Begins anew with a scan at once. */
  restart(nowMs: number): void {
    this.#dueMs = nowMs;
    this.#at = -1;
  }

  /** The request to make now; the same until `advance` or `replaceCurrent`. */
  next(nowMs: number): B | undefined {
    if (this.#at === -1) {
      if (nowMs < this.#dueMs) return undefined;
      const skipped = Math.floor((nowMs - this.#dueMs) / this.periodMs);
      this.#noteLateness(skipped > 0);
      this.skippedTicks += skipped;
      this.#dueMs += (skipped + 1) * this.periodMs;
      this.#at = 0;
    }
    return this.#current(nowMs);
  }

  dueAtMs(): number {
    return this.#at === -1 ? this.#dueMs : Number.NEGATIVE_INFINITY;
  }

  /** The current request is done with, well or not. */
  advance(nowMs: number): void {
    this.#at++;
    this.#current(nowMs);
  }

  replaceCurrent(by: readonly B[]): void {
    this.blocks.splice(this.#at, 1, ...by);
  }

  #noteLateness(late: boolean): void {
    this.#streak = late === this.isLate ? 0 : this.#streak + 1;
    if (this.#streak < (late ? LATE_AFTER : ON_TIME_AFTER)) return;
    this.isLate = late;
    this.#streak = 0;
  }

  /** Passes over requests that rest; ends the scan after the last. */
  #current(nowMs: number): B | undefined {
    while (this.#at >= 0) {
      const block = this.blocks[this.#at];
      if (block === undefined) this.#at = -1;
      else if (nowMs >= block.notBeforeMs) return block;
      else this.#at++;
    }
    return undefined;
  }
}
