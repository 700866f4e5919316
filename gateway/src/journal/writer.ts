import {
  type Clock,
  describeError,
  type JournalPosition,
  type Logger,
  type SampleBatch,
  UnavailableError,
} from '@millwright/protocol';
import { Commit, type Note } from './commit.ts';
import type { JournalConfig } from './config.ts';
import type { Head } from './entries.ts';
import { KV_LIMITS, type Kv, type KvFile } from './kv/kv.ts';
import { type Opened, openAnew, openJournal } from './recovery.ts';
import { releaseStep } from './release.ts';
import { Retention } from './retention.ts';
import { RowLane } from './row-lane.ts';
import { Waiting } from './waiting.ts';

/** So many waiting rows are worth copying into the open frame before they fall due. */
const KICK_ROWS = 4096;
/** Samples are written after this part of `durableWithinMs`; the rest is the disk's. */
const WRITE_AFTER = 0.7;
/** Dropping frees at least this part of the journal, so that a full one does not drop with every commit. */
const FREE_AT_ONCE = 1 / 64;
const RETRY_FIRST_MS = 250;
const RETRY_LAST_MS = 15_000;

interface WaitingNote {
  readonly note: Note;
  readonly resolve: (position: JournalPosition) => void;
  readonly reject: (error: unknown) => void;
}

/** A commit on its way, and what is true once it went through. */
interface Step {
  readonly commit: Commit;
  /** Rows before this number are on disk once it went through. */
  readonly settledTo: number;
  readonly done: () => void;
  /** Events it carries, in case it has to be given up. */
  readonly notes: readonly WaitingNote[];
}

export interface JournalWriterDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly file: KvFile;
  /** New entries can be read. */
  readonly onSealed: () => void;
  readonly onFault: (fault: string | undefined) => void;
}

/**
 * The one writer of a journal: decides what goes to the disk next, in one commit at a time.
 * A commit that failed is kept as it is and tried again until it goes through; new samples wait behind it.
 */
export class JournalWriter {
  readonly #deps: JournalWriterDeps;
  readonly #config: JournalConfig;
  readonly #lane: RowLane;
  #retention = new Retention();
  readonly #flushes = new Waiting();
  readonly #releases = new Waiting();
  #notes: WaitingNote[] = [];
  #kv: Kv | undefined;
  #head: Head | undefined;
  #step: Step | undefined;
  #working: Promise<void> | undefined;
  #isStopping = false;
  #isKicked = false;
  #timer: { readonly dueMs: number; readonly cancel: () => void } | undefined;
  #eventSealMs: number | undefined;
  #lastEventSealMs = Number.NEGATIVE_INFINITY;
  #lastCommitMs = 0;
  #retryMs = RETRY_FIRST_MS;
  #retryAtMs: number | undefined;
  #resetBecause: string | undefined;
  #isDropping = false;
  #isFarewellSaid = false;
  fault: string | undefined;
  droppedSamples = 0;

  constructor(deps: JournalWriterDeps, config: JournalConfig) {
    this.#deps = deps;
    this.#config = config;
    this.#lane = new RowLane(config);
  }

  get kv(): Kv | undefined {
    return this.#kv;
  }

  get head(): Head | undefined {
    return this.#head;
  }

  get pendingSamples(): number {
    return this.#lane.pending;
  }

  get waitingNotes(): number {
    return this.#notes.length;
  }

  /** Opens the store and seals what an earlier process left; a disk that cannot be written is a fault, not an error. */
  async begin(): Promise<void> {
    const opened = await openJournal(this.#deps.file, this.#deps.clock.wallMs());
    if (opened.reset !== undefined) this.#deps.logger.error({ detail: opened.reset }, 'journal begun anew');
    this.#take(opened);
    await this.#run();
  }

  /** Writes what is there, seals the open frame and closes the store; what the disk refuses is counted and left. */
  async end(): Promise<void> {
    this.#isStopping = true;
    this.#timer?.cancel();
    await this.#working;
    await this.#run();
    const error = new UnavailableError('JOURNAL_STOPPED', 'the journal stopped before this was on disk');
    this.#flushes.rejectAll(error);
    this.#releases.rejectAll(error);
    for (const { reject } of [...(this.#step?.notes ?? []), ...this.#notes]) reject(error);
    const { pending } = this.#lane;
    if (pending > 0 || this.#notes.length > 0) {
      const fields = { samples: pending, events: this.#notes.length, fault: this.fault };
      this.#deps.logger.error(fields, 'stopped with samples or events not on disk');
    }
    await this.#kv?.close();
    this.#kv = undefined;
  }

  append(batch: SampleBatch): void {
    if (this.#isStopping) return;
    const isFirst = this.#lane.pendingSinceMs === undefined;
    this.#lane.append(batch, this.#deps.clock.monotonicMs());
    if (this.#lane.unframed >= KICK_ROWS) this.#kick();
    else if (isFirst) this.#schedule();
  }

  flush(): Promise<void> {
    const flushed = this.#flushes.add(this.#lane.appended);
    this.#kick();
    return flushed;
  }

  release(seq: number): Promise<void> {
    const released = this.#releases.add(seq);
    this.#kick();
    return released;
  }

  addNote(note: Note): Promise<JournalPosition> {
    return new Promise((resolve, reject) => {
      this.#notes.push({ note, resolve, reject });
      this.#kick();
    });
  }

  #take({ kv, head, commit }: Opened): void {
    this.#kv = kv;
    this.#head = head;
    this.#step = { commit, settledTo: 0, done: () => undefined, notes: [] };
  }

  #kick(): void {
    if (this.#isKicked || this.#isStopping || this.#retryAtMs !== undefined) return;
    this.#isKicked = true;
    setImmediate(() => {
      this.#isKicked = false;
      if (!this.#isStopping) void this.#run();
    });
  }

  #run(): Promise<void> {
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
      this.#schedule();
    });
    return this.#working;
  }

  async #work(): Promise<void> {
    while (this.#kv !== undefined && this.#head !== undefined) {
      try {
        if (this.#resetBecause !== undefined) await this.#reset(this.#resetBecause, this.#head);
        this.#step ??= await this.#nextStep(this.#kv, this.#head);
        if (this.#step === undefined) return;
        await this.#carryOut(this.#kv, this.#head, this.#step);
      } catch (error) {
        this.#failed(error);
        return;
      }
    }
  }

  async #carryOut(kv: Kv, before: Head, step: Step): Promise<void> {
    // A crash loses what is still waiting then: the gap it leaves begins there, not at the last commit.
    const nowMs = this.#deps.clock.wallMs();
    const recordedToMs = Math.min(nowMs, this.#lane.unsettledFromMs(step.settledTo) ?? nowMs);
    await kv.commit(step.commit.mutations(recordedToMs));
    this.#step = undefined;
    this.#head = step.commit.head;
    this.#lastCommitMs = this.#deps.clock.monotonicMs();
    this.#healed();
    step.done();
    this.#flushes.resolve(this.#lane.oldestPending);
    if (this.#head.openSeq !== before.openSeq) this.#deps.onSealed();
  }

  async #nextStep(kv: Kv, head: Head): Promise<Step | undefined> {
    return (
      (await this.#releaseStep(kv, head)) ?? (await this.#roomStep(kv, head)) ?? (await this.#dataStep(head))
    );
  }

  async #releaseStep(kv: Kv, head: Head): Promise<Step | undefined> {
    const goal = this.#releases.highest;
    if (goal === undefined) return undefined;
    const commit = await releaseStep(kv, head, goal);
    if (commit === undefined) {
      this.#releases.resolve(goal);
      return undefined;
    }
    this.#isDropping = false;
    return { commit, settledTo: 0, done: () => undefined, notes: [] };
  }

  async #roomStep(kv: Kv, head: Head): Promise<Step | undefined> {
    const { maxBytes } = this.#config;
    const overBytes = head.bytes + KV_LIMITS.commitBytes - maxBytes;
    if (overBytes <= 0) return undefined;
    const dropped = await this.#retention.step(kv, head, Math.max(overBytes, maxBytes * FREE_AT_ONCE));
    if (dropped === undefined) return undefined;
    if (!this.#isDropping)
      this.#deps.logger.warn({ maxBytes }, 'journal is full: the oldest frames are dropped');
    this.#isDropping = true;
    const done = () => {
      this.droppedSamples += dropped.samples;
    };
    return { commit: dropped.commit, settledTo: 0, done, notes: [] };
  }

  async #dataStep(head: Head): Promise<Step | undefined> {
    this.#flushes.resolve(this.#lane.oldestPending);
    const nowMs = this.#deps.clock.monotonicMs();
    const isSealDue = this.#isStopping || isPast(this.#sealDueMs(), nowMs);
    const isWriteDue =
      isSealDue ||
      this.#notes.length > 0 ||
      this.#flushes.highest !== undefined ||
      isPast(this.#writeDueMs(), nowMs);
    const isAliveDue = this.#isStopping ? !this.#isFarewellSaid : isPast(this.#aliveDueMs(), nowMs);
    if (!isWriteDue && !isAliveDue && this.#lane.unframed < KICK_ROWS) return undefined;

    const commit = new Commit(head);
    const filled = await this.#lane.fill(commit, { write: isWriteDue, seal: isSealDue, nowMs });
    // An event may only stand behind an open frame of which all rows are on disk, else a crash would leave a hole.
    const notes = isWriteDue && filled.isDrained ? this.#addNotes(commit) : [];
    if (commit.isEmpty && !isAliveDue) return undefined;
    const done = () => {
      this.#isFarewellSaid = this.#isStopping;
      if (filled.settledTo !== undefined) this.#lane.settle(filled.settledTo, nowMs);
      this.#timeEventSeal(head, commit.head, nowMs);
      for (const { resolve, seq } of notes) resolve({ epoch: head.epoch, seq });
    };
    return { commit, settledTo: filled.settledTo ?? 0, done, notes };
  }

  #addNotes(commit: Commit): (WaitingNote & { readonly seq: number })[] {
    const lost = this.#lane.takeLost();
    if (lost !== undefined) {
      this.droppedSamples += lost.samples;
      commit.addNote({ kind: 'gap', gap: { reason: 'disk-error', ...lost } }, this.#lane.isOpen);
    }
    const added: (WaitingNote & { readonly seq: number })[] = [];
    for (const waiting of this.#notes) {
      if (!commit.hasRoomFor(waiting.note)) break;
      added.push({ ...waiting, seq: commit.addNote(waiting.note, this.#lane.isOpen) });
    }
    this.#notes.splice(0, added.length);
    return added;
  }

  #timeEventSeal(before: Head, after: Head, nowMs: number): void {
    if (after.openSeq !== before.openSeq && this.#eventSealMs !== undefined) {
      this.#eventSealMs = undefined;
      this.#lastEventSealMs = nowMs;
    }
    if (after.parked === 0) return;
    const { eventVisibleWithinMs, eventSealEveryMs } = this.#config;
    this.#eventSealMs ??= Math.max(nowMs + eventVisibleWithinMs, this.#lastEventSealMs + eventSealEveryMs);
  }

  #failed(error: unknown): void {
    const fault = describeError(error);
    if (error instanceof UnavailableError && error.code === 'KV_CORRUPT') this.#resetBecause = fault;
    this.#retryAtMs = this.#deps.clock.monotonicMs() + this.#retryMs;
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_LAST_MS);
    if (this.fault === fault) return;
    this.fault = fault;
    this.#deps.logger.error({ err: error }, 'journal cannot be written; samples wait in memory');
    this.#deps.onFault(fault);
  }

  #healed(): void {
    this.#retryMs = RETRY_FIRST_MS;
    this.#retryAtMs = undefined;
    if (this.fault === undefined) return;
    this.fault = undefined;
    this.#deps.logger.info('journal can be written again');
    this.#deps.onFault(undefined);
  }

  async #reset(why: string, head: Head): Promise<void> {
    await this.#kv?.close();
    const opened = await openAnew(this.#deps.file, why, this.#deps.clock.wallMs(), head.epoch);
    this.droppedSamples += this.#lane.abandonOpen();
    this.#notes = [...(this.#step?.notes ?? []), ...this.#notes];
    this.#resetBecause = undefined;
    this.#eventSealMs = undefined;
    this.#retention = new Retention();
    this.#deps.logger.error({ detail: opened.reset }, 'journal begun anew');
    this.#take(opened);
  }

  #writeDueMs(): number | undefined {
    const since = this.#lane.pendingSinceMs;
    return since === undefined ? undefined : since + WRITE_AFTER * this.#config.durableWithinMs;
  }

  #sealDueMs(): number | undefined {
    const since = this.#lane.openSinceMs;
    const aged = since === undefined ? undefined : since + this.#config.frameAgeMs;
    if (this.#eventSealMs === undefined) return aged;
    return Math.min(this.#eventSealMs, aged ?? Number.POSITIVE_INFINITY);
  }

  #aliveDueMs(): number {
    return this.#lastCommitMs + this.#config.aliveEveryMs;
  }

  /** Arranges for the writer to look again when something falls due. */
  #schedule(): void {
    if (this.#isStopping || this.#kv === undefined || this.#working !== undefined) return;
    const nowMs = this.#deps.clock.monotonicMs();
    const dueMs = this.#retryAtMs ?? (this.#isBusy() ? nowMs : this.#nextDueMs());
    if (dueMs <= nowMs && this.#retryAtMs === undefined) {
      this.#kick();
      return;
    }
    if (this.#timer !== undefined && this.#timer.dueMs === dueMs) return;
    this.#timer?.cancel();
    const cancel = this.#deps.clock.after(dueMs - nowMs, () => {
      this.#timer = undefined;
      this.#retryAtMs = undefined;
      this.#kick();
    });
    this.#timer = { dueMs, cancel };
  }

  #isBusy(): boolean {
    return (
      this.#step !== undefined ||
      this.#notes.length > 0 ||
      this.#flushes.highest !== undefined ||
      this.#releases.highest !== undefined ||
      this.#lane.unframed >= KICK_ROWS
    );
  }

  #nextDueMs(): number {
    const never = Number.POSITIVE_INFINITY;
    return Math.min(this.#aliveDueMs(), this.#writeDueMs() ?? never, this.#sealDueMs() ?? never);
  }
}

function isPast(dueMs: number | undefined, nowMs: number): boolean {
  return dueMs !== undefined && nowMs >= dueMs;
}
