import {
  type Clock,
  decodeFrame,
  describeError,
  type GatewayId,
  InvalidInputError,
  type JournalEntry,
  type JournalPosition,
  type Logger,
} from '@millwright/protocol';
import type { IngestStore } from '../ingest/ports.ts';

const GROUP_ENTRIES = 64;
const GROUP_WITHIN_MS = 10;
/** Entries of one gateway in memory: about eight megabytes of frames. Beyond, the gateway waits. */
const MAX_WAITING = 128;

export interface IngestQueueDeps {
  readonly gateway: GatewayId;
  readonly store: IngestStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called with the newest durable position after each group. */
  readonly onDurable: (position: JournalPosition) => Promise<void>;
}

/**
 * Collects the entries of one connection into groups, one transaction each: while one group is on its way to the disk,
 * the next gathers.
 *
 * An entry that cannot be read is kept as an `unreadable` gap: it would come again for ever otherwise, and nothing
 * behind it would arrive.
 */
export class IngestQueue {
  readonly #deps: IngestQueueDeps;
  #waiting: JournalEntry[] = [];
  #changed = Promise.withResolvers<void>();
  #cancelTimer: (() => void) | undefined;
  #isDue = false;
  #ended = false;

  constructor(deps: IngestQueueDeps) {
    this.#deps = deps;
  }

  /** Resolves when there is room for another. */
  async push(entry: JournalEntry): Promise<void> {
    this.#waiting.push(entry);
    if (this.#waiting.length >= GROUP_ENTRIES) this.#fallDue();
    else this.#cancelTimer ??= this.#deps.clock.after(GROUP_WITHIN_MS, () => this.#fallDue());
    while (this.#waiting.length >= MAX_WAITING && !this.#ended) await this.#changed.promise;
  }

  /** Stores groups until `end` is called and nothing waits. @throws what the store throws: nothing is stored after that */
  async run(): Promise<void> {
    try {
      for (;;) {
        while (!this.#isDue && !this.#ended) await this.#changed.promise;
        if (this.#waiting.length === 0 && this.#ended) return;
        await this.#storeGroup();
      }
    } finally {
      this.end();
    }
  }

  /** No more entries will be pushed. */
  end(): void {
    this.#ended = true;
    this.#cancelTimer?.();
    this.#change();
  }

  async #storeGroup(): Promise<void> {
    // Journals have one epoch per life; a group must not straddle two.
    const [first] = this.#waiting;
    const group: JournalEntry[] = [];
    for (const entry of this.#waiting) {
      if (entry.epoch !== first?.epoch || group.length === GROUP_ENTRIES) break;
      group.push(entry);
    }
    this.#waiting = this.#waiting.slice(group.length);
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#isDue = this.#waiting.length > 0;
    this.#change();
    if (group.length > 0) await this.#deps.onDurable(await this.#append(group));
  }

  async #append(group: readonly JournalEntry[]): Promise<JournalPosition> {
    const { store, gateway } = this.#deps;
    try {
      return await store.appendEntries(gateway, group);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      return this.#appendOneByOne(group);
    }
  }

  async #appendOneByOne(group: readonly JournalEntry[]): Promise<JournalPosition> {
    const { store, gateway, logger } = this.#deps;
    let position: JournalPosition | undefined;
    for (const [at, entry] of group.entries()) {
      try {
        position = await store.appendEntries(gateway, [entry]);
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        logger.error({ err: error, gateway, epoch: entry.epoch, seq: entry.seq }, 'an entry cannot be read');
        position = await store.appendEntries(gateway, [this.#unreadable(group, at, entry, error)]);
      }
    }
    if (position === undefined) throw new InvalidInputError('ENTRIES_EMPTY', 'there is nothing to append');
    return position;
  }

  #unreadable(group: readonly JournalEntry[], at: number, entry: JournalEntry, error: unknown): JournalEntry {
    const before = group.slice(0, at).findLast((other) => timesOf(other) !== undefined);
    const after = group.slice(at + 1).find((other) => timesOf(other) !== undefined);
    const nowMs = this.#deps.clock.wallMs();
    const toMs = (after && timesOf(after)?.firstMs) ?? nowMs;
    const fromMs = (before && timesOf(before)?.lastMs) ?? toMs;
    const { epoch, seq, seqEnd } = entry;
    const detail = `entry ${epoch}/${seq}: ${describeError(error)}`.slice(0, 500);
    return {
      ...{ kind: 'gap', epoch, seq, seqEnd },
      gap: { reason: 'unreadable', fromMs: Math.min(fromMs, toMs), toMs, detail },
    };
  }

  #fallDue(): void {
    this.#isDue = true;
    this.#change();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

function isUnreadable(error: unknown): boolean {
  return error instanceof InvalidInputError && error.code !== 'ENTRY_HOLE';
}

function timesOf(entry: JournalEntry): { readonly firstMs: number; readonly lastMs: number } | undefined {
  if (entry.kind === 'event') return { firstMs: entry.event.atMs, lastMs: entry.event.atMs };
  if (entry.kind === 'gap') return { firstMs: entry.gap.fromMs, lastMs: entry.gap.toMs };
  try {
    return decodeFrame(entry.bytes).header;
  } catch {
    return undefined;
  }
}
