import type { PointNo, SampleBatch, SampleSink } from '@millwright/protocol';
import type { LiveSource } from '../uplink/ports.ts';
import type { PointsTable } from './points-table.ts';

/**
 * Which points have news for the region: one bit per point. Values are taken from the table when they are
 * sent, so a point that changed a hundred times in between is sent once, with its newest value.
 */
export class LiveLane implements LiveSource {
  readonly #listeners = new Set<() => void>();
  #table: PointsTable | undefined;
  #dirty = new Uint32Array(8);
  #isDirty = false;
  /** Word at which the next drain begins, so that a full batch does not favour the low numbers. */
  #next = 0;

  /** The table is told about its lane, and the lane about its table: they are wired in two steps. */
  attach(table: PointsTable): void {
    this.#table = table;
  }

  readonly accept: SampleSink = (batch) => {
    for (let row = 0; row < batch.length; row++) this.#mark(batch.point[row] as number);
    this.#tell();
  };

  drainInto(into: SampleBatch): boolean {
    const table = this.#table;
    if (!this.#isDirty || table === undefined) return false;
    const words = this.#dirty.length;
    for (let turn = 0; turn < words; turn++) {
      const at = (this.#next + turn) % words;
      let word = this.#dirty[at] as number;
      while (word !== 0) {
        if (into.isFull) {
          this.#dirty[at] = word;
          this.#next = at;
          return into.length > 0;
        }
        const bit = 31 - Math.clz32(word & -word);
        word &= ~(1 << bit);
        table.copyNewest((at * 32 + bit) as PointNo, into);
      }
      this.#dirty[at] = 0;
    }
    this.#isDirty = false;
    return into.length > 0;
  }

  onDirty(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  markAllDirty(): void {
    for (const no of this.#table?.numbers() ?? []) this.#mark(no);
    this.#tell();
  }

  #mark(no: number): void {
    const word = no >>> 5;
    if (word >= this.#dirty.length) {
      const dirty = new Uint32Array(Math.max(2 * this.#dirty.length, word + 1));
      dirty.set(this.#dirty);
      this.#dirty = dirty;
    }
    this.#dirty[word] = (this.#dirty[word] as number) | (1 << (no & 31));
  }

  #tell(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    for (const listener of this.#listeners) listener();
  }
}
