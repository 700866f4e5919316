const FIRST_MS = 500;
const MAX_MS = 30_000;
/** After a connection that carried something but did not last: wait at most four seconds. */
const FLAPPING_ATTEMPT = 3;

/**
 * Exponential backoff with full jitter: the waits of many gateways that lost their region in the same second spread
 * evenly, and a link that flaps is not stormed.
 * @see https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
 */
export class Backoff {
  readonly #random: () => number;
  #attempt = 0;

  /** @param deps.random uniform in [0, 1) */
  constructor(deps: { readonly random: () => number }) {
    this.#random = deps.random;
  }

  /** How long to wait before the next attempt, in ms. */
  next(): number {
    const ceilingMs = Math.min(MAX_MS, FIRST_MS * 2 ** this.#attempt);
    this.#attempt = Math.min(this.#attempt + 1, 16);
    return this.#random() * ceilingMs;
  }

  /** The last connection carried something: the peer is worth a quick attempt. */
  progressed(): void {
    this.#attempt = Math.min(this.#attempt, FLAPPING_ATTEMPT);
  }

  /** The last connection lasted. */
  reset(): void {
    this.#attempt = 0;
  }
}
