import {
  type Clock,
  describeError,
  EventRecord,
  type JournalPosition,
  type Logger,
} from '@millwright/protocol';
import { z } from 'zod';
import type { Journal } from '../journal/journal.ts';
import type { Kv, KvMutation } from '../journal/kv/kv.ts';

const PREFIX = 'recent-event';
const KEPT = 200;
/** Events written together: what comes within this time costs one write. */
const WRITE_AFTER_MS = 1000;

const Stored = z.object({ no: z.int().nonnegative(), event: EventRecord });
type Stored = z.infer<typeof Stored>;

export interface RecentEventsDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly journal: Pick<Journal, 'appendEvent'>;
  readonly kv: Pick<Kv, 'list' | 'commit'>;
}

/**
 * Passes events on to the journal and remembers the last ones for the status page, over restarts as well: the
 * journal itself frees what the region has. The copy is for people; what a crash takes of its last second is
 * still in the journal.
 */
export class RecentEvents {
  readonly #deps: RecentEventsDeps;
  #stored: Stored[] = [];
  #nextNo = 0;
  /** Numbers from here on are not on disk. */
  #unwrittenNo = 0;
  #cancelWrite: (() => void) | undefined;

  constructor(deps: RecentEventsDeps) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    const { kv, logger } = this.#deps;
    try {
      const rows = await kv.list({ prefix: [PREFIX] }, { limit: KEPT });
      const before = rows.flatMap(({ value }) => {
        const parsed = Stored.safeParse(value);
        return parsed.success ? [parsed.data] : [];
      });
      before.sort((a, b) => a.no - b.no);
      const from = (before.at(-1)?.no ?? -1) + 1;
      const since = this.#stored.map(({ event }, at) => ({ no: from + at, event }));
      this.#stored = [...before, ...since].slice(-KEPT);
      this.#unwrittenNo = from;
      this.#nextNo = from + since.length;
    } catch (error) {
      logger.warn({ error: describeError(error) }, 'earlier events cannot be read');
    }
  }

  async stop(): Promise<void> {
    this.#cancelWrite?.();
    this.#cancelWrite = undefined;
    await this.#write();
  }

  appendEvent(event: EventRecord): Promise<JournalPosition> {
    this.#stored.push({ no: this.#nextNo++, event });
    if (this.#stored.length > KEPT) this.#stored.shift();
    this.#cancelWrite ??= this.#deps.clock.after(WRITE_AFTER_MS, () => {
      this.#cancelWrite = undefined;
      void this.#write();
    });
    return this.#deps.journal.appendEvent(event);
  }

  /** Newest first. */
  recent(): readonly EventRecord[] {
    return this.#stored.map(({ event }) => event).reverse();
  }

  async #write(): Promise<void> {
    const rows = this.#stored.filter(({ no }) => no >= this.#unwrittenNo);
    if (rows.length === 0) return;
    const mutations = rows.map(
      (row): KvMutation => ({
        type: 'set',
        key: [PREFIX, row.no % KEPT],
        value: row,
      }),
    );
    try {
      await this.#deps.kv.commit(mutations);
      this.#unwrittenNo = Math.max(this.#unwrittenNo, (rows.at(-1)?.no ?? -1) + 1);
    } catch (error) {
      this.#deps.logger.debug({ error: describeError(error) }, 'recent events not kept for the next start');
    }
  }
}
