import {
  decodeFrame,
  type Frame,
  FrameWriter,
  type GapRecord,
  InvalidInputError,
  SampleBatch,
  UnavailableError,
} from '@millwright/protocol';
import { Commit } from './commit.ts';
import { Head, KEYS } from './entries.ts';
import type { Kv, KvFile } from './kv/kv.ts';

const READ_AT_ONCE = 64;

/** A store opened, and the commit that makes it whole: until it went through, nothing else may be written. */
export interface Opened {
  readonly kv: Kv;
  readonly head: Head;
  readonly commit: Commit;
  /** Why an earlier store had to be moved out of the way. */
  readonly reset: string | undefined;
}

/** Opens the journal's store, or a new one when there is none or it cannot be read. */
export async function openJournal(file: KvFile, nowMs: number): Promise<Opened> {
  try {
    return await openExisting(file, nowMs);
  } catch (error) {
    if (!(error instanceof UnavailableError && error.code === 'KV_CORRUPT')) throw error;
    return openAnew(file, error.message, nowMs, 0);
  }
}

/**
 * Moves an unreadable store aside and begins a new one, which says so in its first entry.
 * @param afterEpoch the new epoch is larger, even when the clock says otherwise
 */
export async function openAnew(
  file: KvFile,
  why: string,
  nowMs: number,
  afterEpoch: number,
): Promise<Opened> {
  const movedTo = await file.setAside();
  const kv = await file.open();
  const head = newHead(Math.max(nowMs, afterEpoch + 1));
  const commit = new Commit(head);
  const detail = `the journal was unreadable and is kept as ${movedTo}: ${why}`.slice(0, 500);
  const gap: GapRecord = { reason: 'journal-reset', fromMs: nowMs, toMs: nowMs, detail };
  commit.addNote({ kind: 'gap', gap }, false);
  return { kv, head, commit, reset: detail };
}

async function openExisting(file: KvFile, nowMs: number): Promise<Opened> {
  const kv = await file.open();
  try {
    const stored = await kv.get(KEYS.head);
    if (stored === undefined) {
      const strays = await kv.list({ prefix: ['entry'] }, { limit: 1 });
      if (strays.length > 0) throw unreadable(`${file.name} has entries and no head`);
      const head = newHead(nowMs);
      return { kv, head, commit: new Commit(head), reset: undefined };
    }
    const parsed = Head.safeParse(stored);
    if (!parsed.success) throw unreadable(`${file.name}: the head is not one this version wrote`);
    const commit = await replay(kv, parsed.data);
    const fromMs = parsed.data.aliveMs;
    const gap: GapRecord = { reason: 'gateway-down', fromMs, toMs: Math.max(nowMs, fromMs) };
    commit.addNote({ kind: 'gap', gap }, false);
    return { kv, head: parsed.data, commit, reset: undefined };
  } catch (error) {
    await kv.close();
    throw error;
  }
}

function newHead(epoch: number): Head {
  return {
    version: 1,
    epoch,
    firstSeq: 0,
    openSeq: 0,
    parked: 0,
    entries: 0,
    bytes: 0,
    walFrom: 0,
    walTo: 0,
    aliveMs: epoch,
  };
}

/** Seals what the write-ahead records hold; each that cannot be read becomes a gap. */
async function replay(kv: Kv, head: Head): Promise<Commit> {
  const commit = new Commit(head);
  const open = new FrameWriter();
  const gaps: GapRecord[] = [];
  let knownMs: number | undefined;
  let tornFrom: number | undefined;
  const records = await readRecords(kv, head);
  for (const record of records) {
    if (record === undefined) {
      tornFrom ??= knownMs ?? head.aliveMs;
      continue;
    }
    if (tornFrom !== undefined) gaps.push(tornGap(tornFrom, record.header.firstMs));
    tornFrom = undefined;
    knownMs = record.header.lastMs;
    const rows = new SampleBatch(record.header.sampleCount);
    record.readAll(rows);
    for (let from = 0; from < rows.length; ) {
      from += open.append(rows, from);
      if (from < rows.length) seal(commit, open);
    }
  }
  if (tornFrom !== undefined) gaps.push(tornGap(tornFrom, head.aliveMs));
  if (open.sampleCount > 0) seal(commit, open);
  commit.dropWalRecords();
  // The number of the open frame must not stay empty when events already stand behind it.
  if (commit.head.parked > 0 && gaps.length === 0) gaps.push(tornGap(head.aliveMs, head.aliveMs));
  for (const gap of gaps) commit.addNote({ kind: 'gap', gap }, false);
  return commit;
}

/** Every write-ahead record the head knows of, in order; undefined for one that is missing or damaged. */
async function readRecords(kv: Kv, head: Head): Promise<(Frame | undefined)[]> {
  const records: (Frame | undefined)[] = [];
  for (let from = head.walFrom; from < head.walTo; from += READ_AT_ONCE) {
    const to = Math.min(from + READ_AT_ONCE, head.walTo);
    const rows = await kv.list(KEYS.walRecords(from, to), { limit: READ_AT_ONCE });
    const byNo = new Map(rows.map(({ key, value }) => [Number(key[1]), value]));
    for (let no = from; no < to; no++) records.push(readRecord(head, no, byNo.get(no)));
  }
  return records;
}

function readRecord(head: Head, no: number, value: unknown): Frame | undefined {
  if (!(value instanceof Uint8Array)) return undefined;
  try {
    const frame = decodeFrame(value);
    return frame.header.epoch === head.epoch && frame.header.seq === no ? frame : undefined;
  } catch (error) {
    if (error instanceof InvalidInputError) return undefined;
    throw error;
  }
}

function tornGap(fromMs: number, toMs: number): GapRecord {
  const detail = 'a write-ahead record was damaged';
  return { reason: 'disk-error', fromMs: Math.min(fromMs, toMs), toMs, detail };
}

function unreadable(message: string): UnavailableError {
  return new UnavailableError('KV_CORRUPT', message);
}

function seal(commit: Commit, open: FrameWriter): void {
  const { epoch, openSeq } = commit.head;
  commit.addFrame(open.seal({ epoch, seq: openSeq }));
}
