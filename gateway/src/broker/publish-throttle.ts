import type { Clock } from '@millwright/protocol';
import { TokenBucket } from './token-bucket.ts';

export interface PublishThrottleConfig {
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  /** Held at its rates for so long without a pause, a client counts as a flood. */
  readonly floodMs: number;
}

/** A client that was seen with this share of its burst unused has made a pause. */
const PAUSED_LEVEL = 0.5;

/**
 * Slows one client down to its rates, in order. While its messages wait the broker reads no more from its socket,
 * so what waits is bounded by one read and TCP tells the client to slow down.
 */
export class PublishThrottle {
  readonly #clock: Clock;
  readonly #messages: TokenBucket;
  readonly #bytes: TokenBucket;
  readonly #floodMs: number;
  readonly #onFlood: () => void;
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = [];
  #cancel: (() => void) | undefined;
  #limitedSinceMs: number | undefined;
  #closed = false;

  constructor(
    deps: { readonly clock: Clock; readonly onFlood: () => void },
    { messagesPerSecond, bytesPerSecond, floodMs }: PublishThrottleConfig,
  ) {
    this.#clock = deps.clock;
    this.#onFlood = deps.onFlood;
    this.#floodMs = floodMs;
    this.#messages = new TokenBucket(deps, { perSecond: messagesPerSecond, burst: messagesPerSecond });
    this.#bytes = new TokenBucket(deps, { perSecond: bytesPerSecond, burst: bytesPerSecond });
  }

  /** Calls `go` at once, or when it is its turn; never for a client that was found to flood. */
  pass(bytes: number, go: () => void): void {
    if (this.#closed) return;
    const hasPaused =
      this.#limitedSinceMs !== undefined && this.#waiting.length === 0 && this.#level() >= PAUSED_LEVEL;
    if (hasPaused) this.#limitedSinceMs = undefined;
    if (this.#waiting.length === 0 && this.#take(bytes)) {
      go();
      return;
    }
    this.#limitedSinceMs ??= this.#clock.monotonicMs();
    if (this.#floods()) return;
    this.#waiting.push({ bytes, go });
    this.#arm();
  }

  /** Drops what waits, and whatever comes. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#waiting.length = 0;
  }

  /** Ends a client that stayed at its limits for too long. */
  #floods(): boolean {
    const sinceMs = this.#limitedSinceMs;
    if (sinceMs === undefined || this.#clock.monotonicMs() - sinceMs < this.#floodMs) return false;
    this.close();
    this.#onFlood();
    return true;
  }

  #take(bytes: number): boolean {
    if (this.#messages.waitMs() > 0 || !this.#bytes.take(bytes)) return false;
    return this.#messages.take();
  }

  #level(): number {
    return Math.min(this.#messages.level(), this.#bytes.level());
  }

  #arm(): void {
    const [next] = this.#waiting;
    if (next === undefined) return;
    const waitMs = Math.max(1, this.#messages.waitMs(), this.#bytes.waitMs(next.bytes));
    this.#cancel ??= this.#clock.after(waitMs, () => {
      this.#cancel = undefined;
      for (
        let first = this.#waiting[0];
        first !== undefined && this.#take(first.bytes);
        first = this.#waiting[0]
      ) {
        this.#waiting.shift();
        first.go();
      }
      if (this.#waiting.length > 0 && !this.#floods()) this.#arm();
    });
  }
}
