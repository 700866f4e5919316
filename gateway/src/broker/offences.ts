import type { Clock, Logger } from '@millwright/protocol';
import QuickLRU from 'quick-lru';

const REPEAT_MS = 10 * 60_000;

/** What a client was refused or disconnected for. */
export type Offence =
  | 'BAD_CREDENTIAL'
  | 'CLIENT_ID_TAKEN'
  | 'CONNECT_RATE'
  | 'CONNECTIONS_FULL'
  | 'FLOOD'
  | 'INFLIGHT_FULL'
  | 'MALFORMED'
  | 'ORIGIN_DENIED'
  | 'PAYLOAD_TOO_LARGE'
  | 'PUBLISH_DENIED'
  | 'RETAINED_FULL'
  | 'SERVER_BUSY'
  | 'SLOW_READER'
  | 'SUBSCRIBE_DENIED'
  | 'SUBSCRIPTIONS_FULL'
  | 'TLS_FAILED'
  | 'TLS_GROUP'
  | 'TOPIC_TOO_LONG'
  | 'UNSUPPORTED_VERSION'
  | 'WILL_DENIED';

/** Counts what clients do wrong and logs each (client, offence) once, then again only after ten minutes. */
export class OffenceLog {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #logger: Logger;
  readonly #seen = new QuickLRU<string, { atMs: number; times: number }>({ maxSize: 1000 });
  readonly counts = new Map<Offence, number>();

  constructor(deps: { readonly clock: Pick<Clock, 'monotonicMs'>; readonly logger: Logger }) {
    this.#clock = deps.clock;
    this.#logger = deps.logger;
  }

  /** @param who username, else address: what an operator looks for */
  note(code: Offence, who: string, message: string): void {
    this.counts.set(code, (this.counts.get(code) ?? 0) + 1);
    const nowMs = this.#clock.monotonicMs();
    const key = `${code} ${who}`;
    const seen = this.#seen.get(key);
    if (seen !== undefined && nowMs - seen.atMs < REPEAT_MS) {
      seen.times++;
      return;
    }
    const repeats = seen === undefined || seen.times === 0 ? {} : { repeatedSinceLastLine: seen.times };
    this.#seen.set(key, { atMs: nowMs, times: 0 });
    this.#logger.warn({ code, client: who, ...repeats }, message);
  }
}
