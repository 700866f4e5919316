import { SPARSE_SAMPLES } from './layout.ts';
import type { PointTracker } from './point-tracker.ts';
import { SparseTracker } from './sparse-tracker.ts';
import type { TimelineTracker } from './timeline-tracker.ts';

/** Class of a point with a block of its own. */
const OWN = -1;

/**
 * Decides where a point's samples go: points with few samples of one kind to the shared columns of a class,
 * others to a block of their own with a timeline. A point that has its own block keeps it.
 */
export class Placement {
  readonly #points: PointTracker;
  readonly #times: TimelineTracker;
  readonly #sparse = new SparseTracker();
  #ownBits = 0;
  #slot = 0;
  #node = 0;
  #was = OWN;
  #now = OWN;

  constructor(deps: { readonly points: PointTracker; readonly times: TimelineTracker }) {
    this.#points = deps.points;
    this.#times = deps.times;
  }

  /** Kind, form and quality by class. */
  get keys(): Int32Array {
    return this.#sparse.keyOf.subarray(0, this.#sparse.classes);
  }

  /** What points, times and directory of a frame sealed now cannot exceed. */
  get boundBytes(): number {
    const times = this.#times;
    return this.#ownBits / 8 + times.boundBytes + this.#sparse.boundBytes(times.instants, times.instantBits);
  }

  /**
   * Counts the row offered to the point tracker last.
   * @param node where the point's times end with the row
   * @returns the class of the point; −1 for a block of its own
   */
  move(slot: number, node: number): number {
    const points = this.#points;
    const sparse = this.#sparse;
    const count = points.countOf[slot] as number;
    const was = points.classOf[slot] as number;
    const now = this.#choose(slot, node, count, was);
    this.#slot = slot;
    this.#node = node;
    this.#was = was;
    this.#now = now;
    if (now === OWN) {
      if (was === OWN) {
        this.#times.move(points.nodeOf[slot] as number, node);
        this.#ownBits += points.bitsAfter - points.bitsBefore;
      } else {
        sparse.leave(was, count);
        this.#times.move(0, node);
        this.#ownBits += points.bitsAfter;
      }
    } else if (now === was) {
      sparse.extend(now, points.whole - points.lastOf(slot));
    } else {
      if (count > 0) sparse.leave(was, count);
      sparse.enter(
        now,
        points.pointOf[slot] as number,
        count + 1,
        points.firstOf(slot),
        points.stepLowOf(slot),
        points.stepHighOf(slot),
      );
    }
    return now;
  }

  /** Takes the last `move` back. */
  undo(): void {
    const points = this.#points;
    const sparse = this.#sparse;
    const count = points.countOf[this.#slot] as number;
    if (this.#now === OWN) {
      if (this.#was === OWN) {
        this.#times.move(this.#node, points.nodeOf[this.#slot] as number);
        this.#ownBits -= points.bitsAfter - points.bitsBefore;
      } else {
        sparse.rejoin(this.#was, count);
        this.#times.move(this.#node, 0);
        this.#ownBits -= points.bitsAfter;
      }
    } else if (this.#now === this.#was) {
      sparse.shorten(this.#now);
    } else {
      sparse.leave(this.#now, count + 1);
      if (count > 0) sparse.rejoin(this.#was, count);
    }
  }

  clear(): void {
    this.#ownBits = 0;
    this.#sparse.clear();
  }

  #choose(slot: number, node: number, count: number, was: number): number {
    if (count >= SPARSE_SAMPLES || (count > 0 && was === OWN) || this.#times.isRaw(node)) return OWN;
    if (count > 0 && !this.#points.widened) return was;
    const key = this.#points.keyOf(slot);
    return key === -1 ? OWN : this.#sparse.classFor(key);
  }
}
