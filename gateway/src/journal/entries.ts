import {
  decodeFrame,
  EventRecord,
  type FrameHeader,
  GapRecord,
  InvalidInputError,
  type JournalEntry,
} from '@millwright/protocol';
import { z } from 'zod';
import { type KvEntry, type KvKey, type KvRange, type KvValue, kvValueBytes } from './kv/kv.ts';

/** What the journal keeps in its store. */
export const KEYS = {
  head: ['head'],
  entry: (seq: number): KvKey => ['entry', seq],
  wal: (no: number): KvKey => ['wal', no],
  entries: (from: number, to: number): KvRange => ({
    prefix: ['entry'],
    start: ['entry', from],
    end: ['entry', to],
  }),
  walRecords: (from: number, to: number): KvRange => ({
    prefix: ['wal'],
    start: ['wal', from],
    end: ['wal', to],
  }),
} as const;

/** Where the journal stands; rewritten with every commit, so that a restart needs to look at nothing else. */
export const Head = z.object({
  version: z.literal(1),
  epoch: z.int(),
  /** Oldest number held, or `openSeq` when nothing is. */
  firstSeq: z.int(),
  /** Number the open frame will get; every number before it is sealed. */
  openSeq: z.int(),
  /** Events that already have the numbers after `openSeq`, waiting for the open frame to be sealed. */
  parked: z.int(),
  entries: z.int(),
  bytes: z.number(),
  /** Write-ahead records are `walFrom … walTo − 1`. */
  walFrom: z.int(),
  walTo: z.int(),
  /** Wall time up to which everything that came is on disk. */
  aliveMs: z.number(),
});
export type Head = z.infer<typeof Head>;

const StoredNote = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('event'), event: EventRecord }),
  z.object({ kind: z.literal('gap'), seqEnd: z.int(), gap: GapRecord }),
]);
type StoredNote = z.infer<typeof StoredNote>;

/** An entry as it is stored: a frame as its bytes, everything else as data. */
export function storedValue(entry: JournalEntry): KvValue {
  if (entry.kind === 'frame') return entry.bytes;
  return entry.kind === 'event'
    ? ({ kind: 'event', event: entry.event } satisfies StoredNote)
    : ({ kind: 'gap', seqEnd: entry.seqEnd, gap: entry.gap } satisfies StoredNote);
}

/** One stored entry, read back; `frame` is its header when it is one. */
export interface ReadEntry {
  readonly entry: JournalEntry;
  readonly sizeBytes: number;
  readonly frame: FrameHeader | undefined;
  /** What was stored cannot be read; `entry` is a gap that says so. */
  readonly isDamaged: boolean;
}

/** @throws InvalidInputError `ENTRY_UNREADABLE` when what is stored is not what was written */
export function readEntry(epoch: number, { key, value }: KvEntry): ReadEntry {
  const seq = Number(key[1]);
  const sizeBytes = kvValueBytes(value as KvValue);
  if (value instanceof Uint8Array) {
    const { header } = decodeFrame(value);
    if (header.epoch !== epoch || header.seq !== seq) {
      throw new InvalidInputError('ENTRY_UNREADABLE', `entry ${seq} holds frame ${header.seq}`);
    }
    return {
      entry: { kind: 'frame', epoch, seq, seqEnd: seq, bytes: value },
      sizeBytes,
      frame: header,
      isDamaged: false,
    };
  }
  const note = StoredNote.safeParse(value);
  if (!note.success) throw new InvalidInputError('ENTRY_UNREADABLE', `entry ${seq} is no journal entry`);
  const entry: JournalEntry =
    note.data.kind === 'event'
      ? { kind: 'event', epoch, seq, seqEnd: seq, event: note.data.event }
      : { kind: 'gap', epoch, seq, seqEnd: note.data.seqEnd, gap: note.data.gap };
  return { entry, sizeBytes, frame: undefined, isDamaged: false };
}

/**
 * Reads entries, each unreadable one as a `disk-error` gap between its neighbours' times:
 * a damaged block on the disk costs what it held and nothing more.
 */
export function readEntries(head: Head, stored: readonly KvEntry[]): ReadEntry[] {
  let knownMs = head.epoch;
  return stored.map((row) => {
    try {
      const read = readEntry(head.epoch, row);
      knownMs = lastMsOf(read) ?? knownMs;
      return read;
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      const seq = Number(row.key[1]);
      const gap: GapRecord = {
        reason: 'disk-error',
        fromMs: knownMs,
        toMs: head.aliveMs,
        detail: error.message,
      };
      return {
        entry: { kind: 'gap', epoch: head.epoch, seq, seqEnd: seq, gap },
        sizeBytes: kvValueBytes(row.value as KvValue),
        frame: undefined,
        isDamaged: true,
      };
    }
  });
}

function lastMsOf({ entry, frame }: ReadEntry): number | undefined {
  if (frame !== undefined) return frame.lastMs;
  if (entry.kind === 'event') return entry.event.atMs;
  return entry.kind === 'gap' ? entry.gap.toMs : undefined;
}
