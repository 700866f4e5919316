import type { Clock } from '@millwright/protocol';

const MAX_KEYS = 10_000;

/** At most `count` per `perMs` for each key, over a sliding window of two fixed ones; memory is bounded. */
export class RateLimit {
  readonly #clock: Clock;
  readonly #count: number;
  readonly #perMs: number;
  #current = new Map<string, number>();
  #previous = new Map<string, number>();
  #sinceMs = Number.NEGATIVE_INFINITY;

  constructor(deps: { readonly clock: Clock }, options: { readonly count: number; readonly perMs: number }) {
    this.#clock = deps.clock;
    this.#count = options.count;
    this.#perMs = options.perMs;
  }

  /** Counts one use. @returns false when it is one too many, or there are too many keys to tell */
  allows(key: string): boolean {
    this.#turn();
    const used = (this.#current.get(key) ?? 0) + (this.#previous.get(key) ?? 0);
    if (used >= this.#count || (!this.#current.has(key) && this.#current.size >= MAX_KEYS)) return false;
    this.#current.set(key, (this.#current.get(key) ?? 0) + 1);
    return true;
  }

  #turn(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#sinceMs < this.#perMs) return;
    this.#previous = nowMs - this.#sinceMs < 2 * this.#perMs ? this.#current : new Map();
    this.#current = new Map();
    this.#sinceMs = nowMs;
  }
}
