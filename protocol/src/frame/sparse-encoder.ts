import { Kind } from '../samples/value.ts';
import type { ByteWriter } from './bytes.ts';
import type { Cells } from './cells.ts';
import { numberForm, Scheme } from './decimals.ts';
import type { IntegerEncoder } from './encode-integers.ts';
import { commonUnit, growFloat64, growInt32 } from './integers.ts';
import { classForm, classKind, classQuality, NumberList } from './layout.ts';
import type { PointTracker } from './point-tracker.ts';
import type { TimelineTracker } from './timeline-tracker.ts';
import { WholeReader } from './wholes.ts';

/** What the writer knows when a frame is sealed. */
export interface SparsePoints {
  /** In ascending point number. */
  readonly slots: Int32Array;
  /** By slot: where the point's cells begin. */
  readonly starts: Int32Array;
  readonly points: PointTracker;
  readonly times: TimelineTracker;
  /** Kind, form and quality by class. */
  readonly keys: Int32Array;
  readonly cells: Cells;
}

/** Writes the points with few samples: who and when to the directory, values class by class to the data. */
export class SparseEncoder {
  readonly #integers: IntegerEncoder;
  readonly #wholes = new WholeReader();
  #column = new Float64Array(64);
  #other = new Float64Array(64);
  #ranks = new Int32Array(64);
  #rows = new Int32Array(64);
  #classes = new Int32Array(64);

  constructor(deps: { readonly integers: IntegerEncoder }) {
    this.#integers = deps.integers;
  }

  encode(directory: ByteWriter, data: ByteWriter, sparse: SparsePoints): void {
    const { slots, points, keys } = sparse;
    this.#reserve(sparse);
    this.#instants(directory, sparse);
    this.#numbers(directory, sparse);
    const used = this.#usedClasses(sparse);
    directory.varint(used);
    for (let key = 0; key < keys.length; key++) {
      const written = this.#classes[key] as number;
      if (written >= 0) this.#values(directory, data, sparse, key);
    }
    const column = this.#column;
    for (let index = 0; index < slots.length; index++) {
      column[index] = this.#classes[points.classOf[slots[index] as number] as number] as number;
    }
    this.#integers.encode(directory, column, slots.length);
    for (let index = 0; index < slots.length; index++) {
      column[index] = (points.countOf[slots[index] as number] as number) - 1;
    }
    this.#integers.encode(directory, column, slots.length);
    this.#indices(directory, sparse);
  }

  #reserve(sparse: SparsePoints): void {
    let samples = 0;
    for (const slot of sparse.slots) samples += sparse.points.countOf[slot] as number;
    const most = Math.max(samples, sparse.times.instants, sparse.keys.length);
    this.#column = growFloat64(this.#column, most, 0);
    this.#other = growFloat64(this.#other, most, 0);
    this.#ranks = growInt32(this.#ranks, most, 0);
    this.#rows = growInt32(this.#rows, most, 0);
    this.#classes = growInt32(this.#classes, most, 0);
  }

  /** The instants at which these points were sampled, in order of arrival. */
  #instants(directory: ByteWriter, sparse: SparsePoints): void {
    const { times, points } = sparse;
    const ranks = this.#ranks;
    ranks.fill(-1, 0, times.instants);
    for (const slot of sparse.slots) {
      for (let node = points.nodeOf[slot] as number; node !== 0; node = times.parentOf[node] as number) {
        ranks[times.instantOf[node] as number] = 0;
      }
    }
    let used = 0;
    let first = Number.POSITIVE_INFINITY;
    for (let instant = 0; instant < times.instants; instant++) {
      if (ranks[instant] === -1) continue;
      const ms = times.tSourceMs[instant] as number;
      ranks[instant] = used;
      this.#column[used] = ms;
      this.#other[used++] = (times.tGatewayMs[instant] as number) - ms;
      if (ms < first) first = ms;
    }
    for (let index = 0; index < used; index++) this.#column[index] = (this.#column[index] as number) - first;
    const unit = commonUnit(this.#column, used);
    if (unit > 1) {
      for (let index = 0; index < used; index++) this.#column[index] = (this.#column[index] as number) / unit;
    }
    directory.varint(used);
    directory.varint(first - times.firstMs);
    directory.varint(unit);
    this.#integers.encode(directory, this.#column, used);
    this.#integers.encode(directory, this.#other, used);
  }

  #numbers(directory: ByteWriter, sparse: SparsePoints): void {
    const { slots, points } = sparse;
    const column = this.#column;
    const first = points.pointOf[slots[0] as number] as number;
    const last = points.pointOf[slots[slots.length - 1] as number] as number;
    const start = directory.length;
    directory.byte(NumberList.gaps);
    let previous = -1;
    for (let index = 0; index < slots.length; index++) {
      const point = points.pointOf[slots[index] as number] as number;
      column[index] = point - previous - 1;
      previous = point;
    }
    this.#integers.encode(directory, column, slots.length);
    const span = last - first + 1;
    // The writer counts on at most a bit per number.
    if (span / 8 + 12 >= directory.length - start) return;
    directory.length = start;
    directory.byte(NumberList.bitmap);
    directory.varint(first);
    directory.varint(span);
    this.#column = growFloat64(this.#column, span, 0);
    this.#column.fill(0, 0, span);
    for (const slot of slots) this.#column[(points.pointOf[slot] as number) - first] = 1;
    this.#integers.encode(directory, this.#column, span);
  }

  /** Numbers the classes that still have points. @returns how many */
  #usedClasses(sparse: SparsePoints): number {
    const classes = this.#classes;
    classes.fill(-1, 0, sparse.keys.length);
    for (const slot of sparse.slots) classes[sparse.points.classOf[slot] as number] = 0;
    let used = 0;
    for (let key = 0; key < sparse.keys.length; key++) if (classes[key] === 0) classes[key] = used++;
    return used;
  }

  #values(directory: ByteWriter, data: ByteWriter, sparse: SparsePoints, inClass: number): void {
    const { slots, starts, points, cells } = sparse;
    const key = sparse.keys[inClass] as number;
    const kind = classKind(key);
    let form = classForm(key);
    const rows = this.#rows;
    let count = 0;
    for (const slot of slots) {
      if (points.classOf[slot] !== inClass) continue;
      const start = starts[slot] as number;
      const end = start + (points.countOf[slot] as number);
      for (let row = start; row < end; row++) rows[count++] = row;
    }
    const from = data.length;
    if (kind !== Kind.null) {
      if (
        (form & 7) === Scheme.corrected &&
        this.#wholes.products(cells, rows, count, form >> 3, this.#other)
      ) {
        form = numberForm(Scheme.product, form >> 3);
      } else {
        this.#wholes.read(kind, form, cells, rows, count, this.#other);
      }
      if ((form & 7) === Scheme.words && kind !== Kind.bool && kind !== Kind.text) {
        this.#integers.encode(data, this.#other, count);
        this.#wholes.lower(cells, rows, count, this.#other);
        this.#integers.encode(data, this.#other, count);
      } else {
        this.#firstsAndSteps(data, sparse, inClass);
        if ((form & 7) === Scheme.corrected) {
          this.#wholes.corrections(cells, rows, count, form >> 3, this.#other);
          this.#integers.encode(data, this.#other, count);
        }
      }
    }
    directory.byte(kind);
    directory.byte(form);
    directory.byte(classQuality(key));
    directory.varint(data.length - from);
  }

  #firstsAndSteps(data: ByteWriter, sparse: SparsePoints, inClass: number): void {
    const { slots, points } = sparse;
    const column = this.#column;
    const wholes = this.#other;
    let at = 0;
    let firsts = 0;
    for (const slot of slots) {
      if (points.classOf[slot] !== inClass) continue;
      column[firsts++] = wholes[at] as number;
      at += points.countOf[slot] as number;
    }
    this.#integers.encode(data, column, firsts);
    at = 0;
    let steps = 0;
    for (const slot of slots) {
      if (points.classOf[slot] !== inClass) continue;
      const end = at + (points.countOf[slot] as number);
      for (at++; at < end; at++) column[steps++] = (wholes[at] as number) - (wholes[at - 1] as number);
    }
    this.#integers.encode(data, column, steps);
  }

  /** Every point's first instant, then how its instants go on. */
  #indices(directory: ByteWriter, sparse: SparsePoints): void {
    const { slots, points, times } = sparse;
    const firsts = this.#column;
    const steps = this.#other;
    let end = 0;
    for (let index = 0; index < slots.length; index++) {
      const slot = slots[index] as number;
      end += (points.countOf[slot] as number) - 1;
      let at = end - 1;
      let node = points.nodeOf[slot] as number;
      let rank = this.#ranks[times.instantOf[node] as number] as number;
      for (node = times.parentOf[node] as number; node !== 0; node = times.parentOf[node] as number) {
        const earlier = this.#ranks[times.instantOf[node] as number] as number;
        steps[at--] = rank - earlier;
        rank = earlier;
      }
      firsts[index] = rank;
    }
    this.#integers.encode(directory, firsts, slots.length);
    this.#integers.encode(directory, steps, end);
  }
}
