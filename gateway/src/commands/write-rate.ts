import type { Clock, PointNo, WriteRule } from '@millwright/protocol';
import type { z } from 'zod';

interface Bucket {
  tokens: number;
  /** Monotonic. */
  atMs: number;
}

/** How often each point may be written: one token every so long, at most `burst` in hand. */
export class WriteRate {
  readonly #clock: Clock;
  readonly #buckets = new Map<PointNo, Bucket>();

  constructor(deps: { readonly clock: Clock }) {
    this.#clock = deps.clock;
  }

  /** Takes a token. @param options.isTrial only says whether there is one @returns in how many ms there will be one; 0: now */
  waitMs(no: PointNo, rule: z.infer<typeof WriteRule>, options: { readonly isTrial: boolean }): number {
    const { rate } = rule;
    if (rate === undefined) return 0;
    const nowMs = this.#clock.monotonicMs();
    const before = this.#buckets.get(no) ?? { tokens: rate.burst, atMs: nowMs };
    const tokens = Math.min(rate.burst, before.tokens + (nowMs - before.atMs) / rate.every);
    if (tokens < 1) return Math.ceil((1 - tokens) * rate.every);
    if (!options.isTrial) this.#buckets.set(no, { tokens: tokens - 1, atMs: nowMs });
    return 0;
  }
}
