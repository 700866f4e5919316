import { describeError, type Logger, Receipt } from '@millwright/protocol';
import { z } from 'zod';
import type { Kv } from '../journal/kv/kv.ts';

const PREFIX = 'command';
/** How many receipts are kept for the question "have I seen this command?". */
const KEPT = 1000;
const PRUNE_AT_ONCE = 100;

/** What is known of a command that a gateway has answered, or was carrying out when it was last seen. */
export const CommandRecord = z.object({
  id: z.string(),
  device: z.string(),
  point: z.string(),
  atMs: z.number(),
  receipt: Receipt.optional(),
});
export type CommandRecord = z.infer<typeof CommandRecord>;

/** The commands this gateway has seen, newest thousand, across restarts. */
export class CommandRecords {
  readonly #kv: Pick<Kv, 'set' | 'list' | 'commit'>;
  readonly #logger: Logger;
  /** In the order they were first seen. */
  readonly #byId = new Map<string, CommandRecord>();

  constructor(deps: { readonly kv: Pick<Kv, 'set' | 'list' | 'commit'>; readonly logger: Logger }) {
    this.#kv = deps.kv;
    this.#logger = deps.logger;
  }

  /** @returns those without a receipt: the process ended while they were carried out */
  async load(): Promise<readonly CommandRecord[]> {
    const rows = await this.#kv.list({ prefix: [PREFIX] }, { limit: 2 * KEPT });
    const records: CommandRecord[] = [];
    for (const row of rows) {
      const parsed = CommandRecord.safeParse(row.value);
      if (parsed.success) records.push(parsed.data);
      else this.#logger.warn({ key: row.key.join('/') }, 'stored command is not readable and is ignored');
    }
    records.sort((a, b) => a.atMs - b.atMs);
    for (const record of records) this.#byId.set(record.id, record);
    return records.filter((record) => record.receipt === undefined);
  }

  receiptOf(id: string): Receipt | undefined {
    return this.#byId.get(id)?.receipt;
  }

  /** For this process only. */
  remember(record: CommandRecord): void {
    this.#byId.set(record.id, record);
  }

  /** Durable when it resolves, remembered at once. */
  async put(record: CommandRecord): Promise<void> {
    this.remember(record);
    await this.#kv.set([PREFIX, record.id], record);
    if (this.#byId.size > KEPT + PRUNE_AT_ONCE) await this.#prune();
  }

  async #prune(): Promise<void> {
    const ids: string[] = [];
    for (const [id, record] of this.#byId) {
      if (ids.length === PRUNE_AT_ONCE) break;
      if (record.receipt !== undefined) ids.push(id);
    }
    for (const id of ids) this.#byId.delete(id);
    try {
      await this.#kv.commit(ids.map((id) => ({ type: 'delete', key: [PREFIX, id] })));
    } catch (error) {
      this.#logger.warn(
        { error: describeError(error) },
        'old commands not deleted; tried again at the next start',
      );
    }
  }
}
