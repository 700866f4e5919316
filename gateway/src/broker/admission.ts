import type { Clock } from '@millwright/protocol';
import QuickLRU from 'quick-lru';
import type { BrokerLimits } from './config.ts';
import { TokenBucket } from './token-bucket.ts';

/** Decides on a new connection before a byte of it is read. */
export class Admission {
  readonly #clock: Clock;
  readonly #limits: BrokerLimits;
  readonly #byAddress = new QuickLRU<string, TokenBucket>({ maxSize: 1000 });
  readonly #inAll: TokenBucket;
  #open = 0;

  constructor(deps: { readonly clock: Clock }, limits: BrokerLimits) {
    this.#clock = deps.clock;
    this.#limits = limits;
    const { connectsPerSecondInAll: perSecond, connectBurstInAll: burst } = limits;
    this.#inAll = new TokenBucket(deps, { perSecond, burst });
  }

  get open(): number {
    return this.#open;
  }

  /** Counts the connection when it is admitted; whoever admitted it calls `leave` once. */
  enter(address: string): 'admitted' | 'CONNECT_RATE' | 'CONNECTIONS_FULL' {
    let bucket = this.#byAddress.get(address);
    if (bucket === undefined) {
      const { connectsPerSecond: perSecond, connectBurst: burst } = this.#limits;
      bucket = new TokenBucket({ clock: this.#clock }, { perSecond, burst });
      this.#byAddress.set(address, bucket);
    }
    // One's own first: whoever is refused for himself takes nothing from the others.
    if (!bucket.take() || !this.#inAll.take()) return 'CONNECT_RATE';
    if (this.#open >= this.#limits.connections) return 'CONNECTIONS_FULL';
    this.#open++;
    return 'admitted';
  }

  leave(): void {
    this.#open--;
  }
}
