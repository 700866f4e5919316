import type { EventRecord, GapRecord, JournalEntry } from '@millwright/protocol';
import { type Head, KEYS, storedValue } from './entries.ts';
import { KV_LIMITS, type KvMutation, kvValueBytes } from './kv/kv.ts';

/** What a mutation costs beside its value, generously. */
const MUTATION_BYTES = 96;
const HEAD_BYTES = 512;

export const MAX_NOTE_BYTES = 32 * 1024;

export type Note =
  | { readonly kind: 'event'; readonly event: EventRecord }
  | { readonly kind: 'gap'; readonly gap: GapRecord };

/** Bytes a note takes on disk, about. */
export function noteBytes(note: Note): number {
  return Buffer.byteLength(JSON.stringify(note)) + 128;
}

/**
 * One step of the journal: what goes to the disk together, and where the journal stands after it.
 * Repeating it changes nothing, so it may be tried again when nobody knows whether it went through.
 */
export class Commit {
  readonly #mutations: KvMutation[] = [];
  #head: Head;
  #bytes = HEAD_BYTES;

  constructor(head: Head) {
    this.#head = head;
  }

  get isEmpty(): boolean {
    return this.#mutations.length === 0;
  }

  get roomBytes(): number {
    return KV_LIMITS.commitBytes - this.#bytes;
  }

  hasRoomFor(note: Note): boolean {
    return this.#mutations.length < KV_LIMITS.mutations - 2 && noteBytes(note) + 1024 < this.roomBytes;
  }

  get head(): Head {
    return this.#head;
  }

  /** Everything that goes to the store. */
  mutations(aliveMs: number): readonly KvMutation[] {
    this.#head = { ...this.#head, aliveMs };
    return [...this.#mutations, { type: 'set', key: KEYS.head, value: this.#head }];
  }

  change(head: Partial<Head>): void {
    this.#head = { ...this.#head, ...head };
  }

  /** The open frame under its number; its write-ahead records go, and events parked behind it come to light. */
  addFrame(bytes: Uint8Array): void {
    const { epoch, openSeq, parked } = this.#head;
    this.put({ kind: 'frame', epoch, seq: openSeq, seqEnd: openSeq, bytes });
    this.change({ openSeq: openSeq + 1 + parked, parked: 0 });
    this.dropWalRecords();
  }

  dropWalRecords(): void {
    const { walFrom, walTo } = this.#head;
    for (let no = walFrom; no < walTo; no++) this.#push({ type: 'delete', key: KEYS.wal(no) });
    this.change({ walFrom: walTo });
  }

  addWalRecord(bytes: Uint8Array): void {
    const { walTo } = this.#head;
    this.#push({ type: 'set', key: KEYS.wal(walTo), value: bytes });
    this.#bytes += bytes.byteLength;
    this.change({ walTo: walTo + 1 });
  }

  /**
   * Numbers an event or gap: the next number, or, while a frame is open, the next one behind that frame.
   * @returns its number
   */
  addNote(note: Note, isFrameOpen: boolean): number {
    const { epoch, openSeq, parked } = this.#head;
    const seq = isFrameOpen ? openSeq + 1 + parked : openSeq;
    this.put({ ...note, epoch, seq, seqEnd: seq });
    this.change(isFrameOpen ? { parked: parked + 1 } : { openSeq: openSeq + 1 + parked, parked: 0 });
    return seq;
  }

  /** Adds an entry and its size; numbers are the caller's business. */
  put(entry: JournalEntry): void {
    const value = storedValue(entry);
    const size = kvValueBytes(value);
    this.#push({ type: 'set', key: KEYS.entry(entry.seq), value });
    this.#bytes += size;
    this.change({ bytes: this.#head.bytes + size, entries: this.#head.entries + 1 });
  }

  /** Removes an entry of which the size is known. */
  drop(seq: number, sizeBytes: number): void {
    this.#push({ type: 'delete', key: KEYS.entry(seq) });
    this.change({ bytes: this.#head.bytes - sizeBytes, entries: this.#head.entries - 1 });
  }

  #push(mutation: KvMutation): void {
    this.#mutations.push(mutation);
    this.#bytes += MUTATION_BYTES;
  }
}
