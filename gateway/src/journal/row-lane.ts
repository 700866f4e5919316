import { setImmediate as nextTurn } from 'node:timers/promises';
import { FrameWriter, type SampleBatch } from '@millwright/protocol';
import type { Commit } from './commit.ts';
import { type Lost, RowQueue } from './row-queue.ts';

/** Rows copied into the open frame before other work of the process gets its turn. */
const SLICE_ROWS = 4096;
/** Left free in a commit of frames for one more frame, the write-ahead records and the events. */
const RESERVE_BYTES = 320 * 1024;
/** A frame with more write-ahead records than this is sealed, so that one commit can delete them. */
const MAX_WAL_RECORDS = 400;

/** What became of the rows once the commit they went into is on disk. */
export interface Filled {
  /** Rows before this number are durable; undefined when the commit holds none. */
  readonly settledTo: number | undefined;
  /** Every row appended before the fill began is in the open frame, in a sealed one, or dropped. */
  readonly isDrained: boolean;
}

/** Samples on their way from `append` into frames and write-ahead records. */
export class RowLane {
  readonly #queue: RowQueue;
  readonly #open = new FrameWriter();
  readonly #wal = new FrameWriter();
  #settledTo = 0;
  #pendingSinceMs: number | undefined;
  #openSinceMs: number | undefined;

  constructor(options: { readonly maxPendingBytes: number }) {
    this.#queue = new RowQueue({ maxBytes: options.maxPendingBytes });
  }

  /** @param nowMs monotonic */
  append(batch: SampleBatch, nowMs: number): void {
    if (batch.length === 0) return;
    this.#queue.append(batch);
    this.#pendingSinceMs ??= nowMs;
  }

  /** Number the next row gets. */
  get appended(): number {
    return this.#queue.appended;
  }

  get framed(): number {
    return this.#queue.framed;
  }

  get unframed(): number {
    return this.#queue.unframed;
  }

  get pending(): number {
    return this.#queue.pending;
  }

  get oldestPending(): number {
    return this.#queue.oldestPending;
  }

  /** When the oldest row came, epoch ms, that is not on disk once the rows before number `settledTo` are. */
  unsettledFromMs(settledTo: number): number | undefined {
    return this.#queue.gatewayMsFrom(settledTo);
  }

  /** Since when the oldest row waits for the disk. */
  get pendingSinceMs(): number | undefined {
    return this.#pendingSinceMs;
  }

  /** Since when the open frame holds rows. */
  get openSinceMs(): number | undefined {
    return this.#openSinceMs;
  }

  get isOpen(): boolean {
    return this.#open.sampleCount > 0;
  }

  takeLost(): Lost | undefined {
    return this.#queue.takeLost();
  }

  /**
   * Moves waiting rows into the open frame and every frame that becomes full into `commit`.
   * @param options.write put what stays in the open frame on disk, too
   * @param options.seal close the open frame
   */
  async fill(
    commit: Commit,
    options: { readonly write: boolean; readonly seal: boolean; readonly nowMs: number },
  ): Promise<Filled> {
    let settledTo: number | undefined;
    const take = (rows: SampleBatch, from: number, to: number) => this.#open.append(rows, from, to);
    const goal = this.#queue.appended;
    while (this.#queue.framed < goal && this.#queue.unframed > 0) {
      const isFull = !this.#queue.frame(take, SLICE_ROWS);
      if (this.isOpen) this.#openSinceMs ??= this.#pendingSinceMs ?? options.nowMs;
      if (isFull) {
        this.#seal(commit);
        settledTo = this.#queue.framed;
        if (commit.roomBytes < RESERVE_BYTES) return { settledTo, isDrained: false };
      }
      await nextTurn();
    }
    const { walFrom, walTo } = commit.head;
    if (this.isOpen && (options.seal || walTo - walFrom > MAX_WAL_RECORDS)) {
      this.#seal(commit);
      settledTo = this.#queue.framed;
    } else if (options.write) {
      this.#writeAhead(commit, Math.max(this.#settledTo, settledTo ?? 0));
      settledTo = this.#queue.framed;
    }
    return { settledTo, isDrained: true };
  }

  /** Gives up the rows before number `upTo`. @param sinceMs when the oldest of those that remain may have come */
  settle(upTo: number, sinceMs: number): void {
    this.#settledTo = Math.max(this.#settledTo, upTo);
    this.#queue.settle(upTo);
    this.#pendingSinceMs = this.#queue.pending > 0 ? sinceMs : undefined;
  }

  /** Forgets the open frame, when the store it belonged to is gone. @returns how many samples were only there */
  abandonOpen(): number {
    this.#open.clear();
    this.#openSinceMs = undefined;
    const before = this.#queue.pending;
    this.settle(this.#queue.framed, this.#pendingSinceMs ?? 0);
    return before - this.#queue.pending;
  }

  #seal(commit: Commit): void {
    const { epoch, openSeq } = commit.head;
    commit.addFrame(this.#open.seal({ epoch, seq: openSeq }));
    this.#openSinceMs = undefined;
  }

  #writeAhead(commit: Commit, from: number): void {
    const { epoch } = commit.head;
    const close = () => commit.addWalRecord(this.#wal.seal({ epoch, seq: commit.head.walTo }));
    this.#queue.eachFramed(from, (rows, start, end) => {
      for (let at = start; at < end; ) {
        at += this.#wal.append(rows, at, end);
        if (at < end) close();
      }
    });
    if (this.#wal.sampleCount > 0) close();
  }
}
