import type { GapRecord, JournalEntry } from '@millwright/protocol';
import { Commit } from './commit.ts';
import { type Head, KEYS, type ReadEntry, readEntries } from './entries.ts';
import type { Kv } from './kv/kv.ts';

const READ_AT_ONCE = 16;

type GapEntry = Extract<JournalEntry, { kind: 'gap' }>;

export interface Dropped {
  readonly commit: Commit;
  readonly samples: number;
}

/**
 * Frees the oldest entries when the journal has reached its bound: frames first, each replaced by a
 * `journal-full` gap that grows over its neighbours, so that numbers stay whole and the gap says exactly
 * what went. Events and other gaps go only when no frame is left to drop.
 */
export class Retention {
  /** Everything before this number is a gap or an event; found again from the start after a restart. */
  #framesFrom = 0;

  /**
   * One step of dropping, to be committed before it is called again.
   * @returns undefined when nothing is left to drop
   */
  async step(kv: Kv, head: Head, wantBytes: number): Promise<Dropped | undefined> {
    const frames = await this.#dropRun(kv, head, wantBytes, Math.max(head.firstSeq, this.#framesFrom), false);
    return frames ?? this.#dropRun(kv, head, wantBytes, head.firstSeq, true);
  }

  async #dropRun(
    kv: Kv,
    head: Head,
    wantBytes: number,
    from: number,
    all: boolean,
  ): Promise<Dropped | undefined> {
    const rows = await kv.list(KEYS.entries(from, head.openSeq), { limit: READ_AT_ONCE });
    if (rows.length === 0) return undefined;
    const commit = new Commit(head);
    const run = new GapRun(commit);
    let next = from;
    for (const read of readEntries(head, rows)) {
      const isDropped = all || read.frame !== undefined || read.isDamaged || isFullGap(read.entry);
      if (isDropped) run.take(read);
      else run.close();
      next = read.entry.seqEnd + 1;
      if (head.bytes - commit.head.bytes >= wantBytes) break;
    }
    // The gap at the end is read again next time, so that it can grow.
    next = run.close()?.seq ?? next;
    if (!all) this.#framesFrom = next;
    if (run.taken > 0) return { commit, samples: run.samples };
    return rows.length < READ_AT_ONCE ? undefined : this.#dropRun(kv, head, wantBytes, next, all);
  }
}

function isFullGap(entry: JournalEntry): boolean {
  return entry.kind === 'gap' && entry.gap.reason === 'journal-full';
}

/** Neighbouring entries becoming one gap. */
class GapRun {
  readonly #commit: Commit;
  #entry: GapEntry | undefined;
  taken = 0;
  samples = 0;

  constructor(commit: Commit) {
    this.#commit = commit;
  }

  get isOpen(): boolean {
    return this.#entry !== undefined;
  }

  take({ entry, frame, sizeBytes }: ReadEntry): void {
    const gap = gapOf(entry, frame);
    if (!isFullGap(entry)) {
      this.taken++;
      this.samples += frame?.sampleCount ?? 0;
    }
    this.#commit.drop(entry.seq, sizeBytes);
    this.#entry =
      this.#entry === undefined
        ? { kind: 'gap', epoch: entry.epoch, seq: entry.seq, seqEnd: entry.seqEnd, gap }
        : { ...this.#entry, seqEnd: entry.seqEnd, gap: joined(this.#entry.gap, gap) };
  }

  /** Writes the gap that has grown. @returns it */
  close(): GapEntry | undefined {
    const entry = this.#entry;
    this.#entry = undefined;
    if (entry !== undefined) this.#commit.put(entry);
    return entry;
  }
}

function gapOf(entry: JournalEntry, frame: ReadEntry['frame']): GapRecord {
  if (frame !== undefined) {
    return {
      reason: 'journal-full',
      fromMs: frame.firstMs,
      toMs: frame.lastMs,
      samples: frame.sampleCount,
    };
  }
  if (entry.kind === 'gap') return { ...entry.gap, reason: 'journal-full', samples: entry.gap.samples ?? 0 };
  const atMs = entry.kind === 'event' ? entry.event.atMs : 0;
  const detail = 'older events were dropped too';
  return { reason: 'journal-full', fromMs: atMs, toMs: atMs, samples: 0, detail };
}

function joined(a: GapRecord, b: GapRecord): GapRecord {
  const detail = a.detail ?? b.detail;
  return {
    reason: 'journal-full',
    fromMs: Math.min(a.fromMs, b.fromMs),
    toMs: Math.max(a.toMs, b.toMs),
    samples: (a.samples ?? 0) + (b.samples ?? 0),
    ...(detail === undefined ? {} : { detail }),
  };
}
