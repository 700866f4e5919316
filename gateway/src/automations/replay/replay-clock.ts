import type { Clock } from '@millwright/protocol';

interface Timer {
  readonly dueMs: number;
  readonly run: () => void;
}

/** Time as it was: goes from one recorded sample to the next and runs what falls due in between, in order. */
export class ReplayClock implements Clock {
  readonly #startMs: number;
  #nowMs: number;
  /** Few: an engine has one. In the order they were set. */
  readonly #timers: Timer[] = [];

  constructor(startMs: number) {
    this.#startMs = startMs;
    this.#nowMs = startMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), run };
    this.#timers.push(timer);
    return () => this.#remove(timer);
  }

  /** Time never goes back: a sample that was recorded late is seen at the time that was reached. */
  advanceTo(ms: number): void {
    for (let next = this.#next(ms); next !== undefined; next = this.#next(ms)) {
      this.#remove(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.run();
    }
    this.#nowMs = Math.max(this.#nowMs, ms);
  }

  #next(untilMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= untilMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
    }
    return next;
  }

  #remove(timer: Timer): void {
    const at = this.#timers.indexOf(timer);
    if (at >= 0) this.#timers.splice(at, 1);
  }
}
