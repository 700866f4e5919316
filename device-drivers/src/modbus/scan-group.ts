/** Scans in a row that make the group late, or on time again: one hiccup is no news. */
const LATE_AFTER = 3;
const ON_TIME_AFTER = 30;

interface Due {
  readonly notBeforeMs: number;
}

/** As a device file has it, in milliseconds; `jitter` is a part of `every`. */
export interface Rhythm {
  readonly every: number;
  readonly phase: number;
  readonly jitter: number;
}

/**
 * The requests that share a period. Ticks stand on a grid; a tick that falls due while the scan is still
 * running, or was slept through, is skipped and counted: work never piles up. Several of its requests may be under way.
 */
export class ScanGroup<B extends Due> {
  readonly name: string;
  readonly periodMs: number;
  blocks: B[] = [];
  /** Whether scans keep beginning a whole period late or more. */
  isLate = false;
  wasLate = false;
  /** Since the start of the process. */
  skippedTicks = 0;
  readonly #rhythm: Rhythm;
  readonly #random: () => number;
  /** The grid's next tick, and when its scan begins. */
  #tickMs = 0;
  #dueMs = 0;
  /** Place of the next request of the running scan; -1 between scans. */
  #at = -1;
  #again: B[] = [];
  #underWay = 0;
  #streak = 0;

  constructor(name: string, rhythm: Rhythm, random: () => number = () => 0) {
    this.name = name;
    this.periodMs = rhythm.every;
    this.#rhythm = rhythm;
    this.#random = random;
  }

  /** Begins a new grid: the first scan comes after the phase. */
  restart(nowMs: number): void {
    this.#tickMs = nowMs + this.#rhythm.phase;
    this.#dueMs = this.#tickMs;
    this.#at = -1;
    this.#again = [];
  }

  /** Scans at once and then keeps to the grid. */
  resume(nowMs: number): void {
    this.#tickMs += Math.floor((nowMs - this.#tickMs) / this.periodMs) * this.periodMs;
    this.#dueMs = nowMs;
    this.#at = -1;
    this.#again = [];
  }

  /** Whether no scan is running. */
  get isIdle(): boolean {
    return this.#at === -1;
  }

  /** The next request to make; it is under way until it is told to be done, asked again or replaced. */
  next(nowMs: number): B | undefined {
    if (this.#at === -1) {
      if (nowMs < this.#dueMs) return undefined;
      this.#begin(nowMs);
    }
    const block = this.#take(nowMs);
    if (block === undefined) this.#endIfDone();
    else this.#underWay++;
    return block;
  }

  dueAtMs(): number {
    if (this.#at === -1) return this.#dueMs;
    const hasMore = this.#again.length > 0 || this.#at < this.blocks.length;
    return hasMore ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }

  /** A request is done with, well or not. */
  done(): void {
    this.#underWay--;
    this.#endIfDone();
  }

  /** A request was not answered through no fault of its own: it is made again in this scan. */
  again(block: B): void {
    if (this.#at !== -1) this.#again.push(block);
    this.done();
  }

  /** Others take a request's place, in this scan and from now on. */
  replace(block: B, by: readonly B[]): void {
    const place = this.blocks.indexOf(block);
    if (place !== -1) {
      this.blocks.splice(place, 1, ...by);
      if (this.#at > place) this.#at += by.length - 1;
      if (this.#at !== -1) this.#again.unshift(...by);
    }
    this.done();
  }

  #begin(nowMs: number): void {
    const skipped = Math.max(0, Math.floor((nowMs - this.#tickMs) / this.periodMs));
    this.#noteLateness(skipped > 0);
    this.skippedTicks += skipped;
    this.#tickMs += (skipped + 1) * this.periodMs;
    this.#dueMs = this.#tickMs + this.#rhythm.jitter * this.periodMs * this.#random();
    this.#at = 0;
  }

  #take(nowMs: number): B | undefined {
    for (let block = this.#again.shift(); block !== undefined; block = this.#again.shift()) {
      if (nowMs >= block.notBeforeMs) return block;
    }
    while (this.#at < this.blocks.length) {
      const block = this.blocks[this.#at++];
      if (block !== undefined && nowMs >= block.notBeforeMs) return block;
    }
    return undefined;
  }

  #endIfDone(): void {
    if (this.#at >= this.blocks.length && this.#again.length === 0 && this.#underWay === 0) this.#at = -1;
  }

  #noteLateness(late: boolean): void {
    this.#streak = late === this.isLate ? 0 : this.#streak + 1;
    if (this.#streak < (late ? LATE_AFTER : ON_TIME_AFTER)) return;
    this.isLate = late;
    this.#streak = 0;
  }
}
