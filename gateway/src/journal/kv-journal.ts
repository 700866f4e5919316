import {
  type Clock,
  type EventRecord,
  type GapRecord,
  InvalidInputError,
  type JournalEntry,
  type JournalPosition,
  LimitError,
  type Logger,
  type SampleBatch,
  UnavailableError,
} from '@millwright/protocol';
import { MAX_NOTE_BYTES, type Note, noteBytes } from './commit.ts';
import type { JournalConfig } from './config.ts';
import { KEYS, readEntries } from './entries.ts';
import type { Journal, JournalStats } from './journal.ts';
import type { KvFile } from './kv/kv.ts';
import { JournalWriter } from './writer.ts';

const MAX_WAITING_NOTES = 1000;
const READ_AT_ONCE = 64;

export interface KvJournalDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly file: KvFile;
}

/**
 * The journal over a key-value store.
 *
 * Samples wait in a bounded queue; one writer at a time copies them into the open frame. A frame that is full
 * or old is written under its number; rows of a frame that stays open are written as *write-ahead records*,
 * which the frame's own commit deletes. At high rates frames fill faster than records fall due, and every
 * sample is written once.
 *
 * The open frame owns the next number. An event that arrives meanwhile is written at once, with a number
 * behind that frame, and is shown to readers when the frame was sealed: within `eventVisibleWithinMs`, but not
 * more often than every `eventSealEveryMs`, so that many events do not make many tiny frames. Samples that came
 * before an event therefore always have the smaller number; some that came after may, too.
 */
export class KvJournal implements Journal {
  readonly #config: JournalConfig;
  readonly #writer: JournalWriter;
  readonly #sealedListeners = new Set<() => void>();
  readonly #faultListeners = new Set<(fault: string | undefined) => void>();
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(deps: KvJournalDeps, config: JournalConfig) {
    this.#config = config;
    const onSealed = () => {
      for (const listener of this.#sealedListeners) listener();
    };
    const onFault = (fault: string | undefined) => {
      for (const listener of this.#faultListeners) listener(fault);
    };
    this.#writer = new JournalWriter({ ...deps, onSealed, onFault }, config);
  }

  get epoch(): number {
    return this.#writer.head?.epoch ?? 0;
  }

  /** @throws UnavailableError when the store can neither be opened nor replaced; a full disk is a fault, not an error */
  start(): Promise<void> {
    this.#starting ??= this.#writer.begin();
    return this.#starting;
  }

  /** Seals and closes; what the disk refuses until then is lost, and `flush` and `release` reject. */
  async stop(): Promise<void> {
    if (this.#starting === undefined) return;
    await this.#starting.catch(() => undefined);
    this.#stopping ??= this.#writer.end();
    await this.#stopping;
  }

  append(batch: SampleBatch): void {
    this.#writer.append(batch);
  }

  flush(): Promise<void> {
    return this.#stopping === undefined ? this.#writer.flush() : Promise.reject(stopped());
  }

  /** @throws InvalidInputError `NOTE_TOO_LARGE`; LimitError `JOURNAL_BUSY` while the disk cannot take what waits already */
  appendEvent(event: EventRecord): Promise<JournalPosition> {
    return this.#appendNote({ kind: 'event', event });
  }

  /** @throws like `appendEvent` */
  appendGap(gap: GapRecord): Promise<JournalPosition> {
    return this.#appendNote({ kind: 'gap', gap });
  }

  /** At most 64 entries whatever `limit` says, so that an answer stays below 4 MiB. */
  async entriesAfter(position: JournalPosition | null, limit: number): Promise<JournalEntry[]> {
    const { head, kv } = this.#writer;
    if (kv === undefined || head === undefined) return [];
    const isOurs = position !== null && position.epoch === head.epoch;
    const from = isOurs ? Math.max(position.seq + 1, head.firstSeq) : head.firstSeq;
    if (from >= head.openSeq || limit < 1) return [];
    const rows = await kv.list(KEYS.entries(from, head.openSeq), { limit: Math.min(limit, READ_AT_ONCE) });
    const entries = readEntries(head, rows).map(({ entry }) => entry);
    if (entries[0]?.seq === from) return entries;
    // `from` is inside a gap that grew over it since the reader was there.
    const before = await kv.list(KEYS.entries(0, from), { limit: 1, reverse: true });
    const gap = readEntries(head, before)[0]?.entry;
    return gap !== undefined && gap.seqEnd >= from ? [{ ...gap, seq: from }, ...entries] : entries;
  }

  async release(position: JournalPosition): Promise<void> {
    if (position.epoch !== this.epoch) return;
    if (this.#stopping !== undefined) throw stopped();
    await this.#writer.release(position.seq);
  }

  onSealed(listener: () => void): () => void {
    this.#sealedListeners.add(listener);
    return () => this.#sealedListeners.delete(listener);
  }

  /** Called when writing begins to fail, with the reason, and with undefined when it works again. @returns unsubscribe */
  onFault(listener: (fault: string | undefined) => void): () => void {
    this.#faultListeners.add(listener);
    return () => this.#faultListeners.delete(listener);
  }

  stats(): JournalStats {
    const { head, fault, pendingSamples, droppedSamples } = this.#writer;
    return {
      bytes: head?.bytes ?? 0,
      maxBytes: this.#config.maxBytes,
      entries: head?.entries ?? 0,
      firstSeq: head?.firstSeq ?? 0,
      lastSeq: (head?.openSeq ?? 0) - 1,
      pendingSamples,
      droppedSamples,
      fault,
    };
  }

  async #appendNote(note: Note): Promise<JournalPosition> {
    if (this.#stopping !== undefined) throw stopped();
    const size = noteBytes(note);
    if (size > MAX_NOTE_BYTES) {
      const message = `${note.kind} of ${size} bytes; at most ${MAX_NOTE_BYTES} are kept`;
      throw new InvalidInputError('NOTE_TOO_LARGE', message);
    }
    if (this.#writer.waitingNotes >= MAX_WAITING_NOTES) {
      const message = `${MAX_WAITING_NOTES} events wait for the disk already`;
      throw new LimitError('JOURNAL_BUSY', message, { retry: 'backoff' });
    }
    return this.#writer.addNote(note);
  }
}

function stopped(): UnavailableError {
  return new UnavailableError('JOURNAL_STOPPED', 'the journal has stopped');
}
