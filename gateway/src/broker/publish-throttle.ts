import type { Clock } from '@millwright/protocol';
import { TokenBucket } from './token-bucket.ts';

/**
 * Slows one client down to its rate, in order. While its messages wait the broker reads no more from its socket,
 * so what waits is bounded by one read and TCP tells the client to slow down.
 */
export class PublishThrottle {
  readonly #clock: Clock;
  readonly #bucket: TokenBucket;
  readonly #waiting: (() => void)[] = [];
  #cancel: (() => void) | undefined;

  constructor(deps: { readonly clock: Clock }, config: { readonly perSecond: number }) {
    this.#clock = deps.clock;
    this.#bucket = new TokenBucket(deps, { perSecond: config.perSecond, burst: config.perSecond });
  }

  /** Calls `go` at once, or when it is its turn. */
  pass(go: () => void): void {
    if (this.#waiting.length === 0 && this.#bucket.take()) {
      go();
      return;
    }
    this.#waiting.push(go);
    this.#arm();
  }

  /** Drops what waits. */
  close(): void {
    this.#cancel?.();
    this.#waiting.length = 0;
  }

  #arm(): void {
    this.#cancel ??= this.#clock.after(Math.max(1, this.#bucket.waitMs()), () => {
      this.#cancel = undefined;
      while (this.#waiting.length > 0 && this.#bucket.take()) this.#waiting.shift()?.();
      if (this.#waiting.length > 0) this.#arm();
    });
  }
}
