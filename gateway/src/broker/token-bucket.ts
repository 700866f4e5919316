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

  take(): boolean {
    this.#refill();
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Milliseconds until `take` can succeed. */
  waitMs(): number {
    this.#refill();
    return this.#tokens >= 1 ? 0 : (1 - this.#tokens) / this.#perMs;
  }

  #refill(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
  }
}
