import type { Clock } from '@millwright/protocol';

export interface TokenBucketConfig {
  readonly perSecond: number;
  readonly burst: number;
}

/** Allows `burst` at once and `perSecond` sustained. */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;

  constructor(deps: { readonly clock: Clock }, config: TokenBucketConfig) {
    this.#clock = deps.clock;
    this.#perMs = config.perSecond / 1000;
    this.#burst = config.burst;
    this.#tokens = config.burst;
    this.#atMs = deps.clock.monotonicMs();
  }

  /** @param amount more than `burst` counts as `burst`: it passes when nothing was taken for long enough */
  take(amount = 1): boolean {
    if (this.waitMs(amount) > 0) return false;
    this.#tokens -= Math.min(amount, this.#burst);
    return true;
  }

  /** Milliseconds until `take` can succeed. */
  waitMs(amount = 1): number {
    this.#refill();
    const needed = Math.min(amount, this.#burst);
    return this.#tokens >= needed ? 0 : (needed - this.#tokens) / this.#perMs;
  }

  /** Share of the burst that is there to be taken. */
  level(): number {
    this.#refill();
    return this.#tokens / this.#burst;
  }

  #refill(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
  }
}
