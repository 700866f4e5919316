import { Kind } from '../samples/value.ts';
import { bitWidth } from './bytes.ts';
import { Scheme } from './decimals.ts';
import { stepWidth } from './integers.ts';
import { CORRECTION_BITS, classForm, classKind, MAX_CLASSES, SPARSE_SAMPLES } from './layout.ts';

/** Heads of the section's own columns. */
const SECTION_BYTES = 160;
/** A class's line in the directory, and the heads of its columns. */
const CLASS_BYTES = 48;

/**
 * Keeps what the sparse points of a frame cannot exceed together. They share columns, class by class: a column per
 * point would cost more than their few samples. Ranges never narrow, so a point may leave again.
 */
export class SparseTracker {
  points = 0;
  /** Samples after each point's first. */
  steps = 0;
  classes = 0;
  keyOf = new Int32Array(MAX_CLASSES);
  readonly #pointsOf = new Int32Array(MAX_CLASSES);
  readonly #stepsOf = new Int32Array(MAX_CLASSES);
  readonly #low = new Float64Array(MAX_CLASSES);
  readonly #high = new Float64Array(MAX_CLASSES);
  readonly #stepLow = new Float64Array(MAX_CLASSES);
  readonly #stepHigh = new Float64Array(MAX_CLASSES);
  readonly #firstBits = new Float64Array(MAX_CLASSES);
  readonly #stepBits = new Float64Array(MAX_CLASSES);
  #valueBits = 0;
  #highestPoint = 0;

  /**
   * What the section cannot exceed.
   * @param facts distinct instants of the frame, and bits that hold any of their source times and lags
   */
  boundBytes(instants: number, instantBits: number): number {
    if (this.points === 0) return 0;
    const index = bitWidth(instants);
    const numbers = Math.min(this.points * bitWidth(this.#highestPoint), this.#highestPoint + 1);
    const bits =
      numbers +
      this.points * (bitWidth(this.classes) + bitWidth(SPARSE_SAMPLES) + index) +
      this.steps * (index + 1) +
      instants * instantBits +
      this.#valueBits;
    return SECTION_BYTES + this.classes * CLASS_BYTES + bits / 8;
  }

  /** @returns the class with this key; −1 when there is no room for another */
  classFor(key: number): number {
    for (let known = 0; known < this.classes; known++) if (this.keyOf[known] === key) return known;
    if (this.classes === MAX_CLASSES) return -1;
    const added = this.classes++;
    this.keyOf[added] = key;
    this.#pointsOf[added] = 0;
    this.#stepsOf[added] = 0;
    this.#low[added] = Number.POSITIVE_INFINITY;
    this.#high[added] = Number.NEGATIVE_INFINITY;
    this.#stepLow[added] = Number.POSITIVE_INFINITY;
    this.#stepHigh[added] = Number.NEGATIVE_INFINITY;
    this.#firstBits[added] = 0;
    this.#stepBits[added] = 0;
    return added;
  }

  /** A point with `count` samples belongs to the class from now on. */
  enter(into: number, point: number, count: number, first: number, stepLow: number, stepHigh: number): void {
    if (point > this.#highestPoint) this.#highestPoint = point;
    this.#widen(into, first, first, count > 1 ? stepLow : 0, count > 1 ? stepHigh : 0);
    this.#count(into, 1, count - 1);
  }

  /** A point of the class has one more sample. */
  extend(into: number, step: number): void {
    if (!(step >= (this.#stepLow[into] as number) && step <= (this.#stepHigh[into] as number))) {
      this.#widen(into, this.#low[into] as number, this.#high[into] as number, step, step);
    }
    this.#count(into, 0, 1);
  }

  /** A point of the class has one sample less. */
  shorten(into: number): void {
    this.#count(into, 0, -1);
  }

  /** A point with `count` samples belongs to the class no longer. */
  leave(from: number, count: number): void {
    this.#count(from, -1, 1 - count);
  }

  /** Takes a `leave` back. */
  rejoin(into: number, count: number): void {
    this.#count(into, 1, count - 1);
  }

  clear(): void {
    this.points = 0;
    this.steps = 0;
    this.classes = 0;
    this.#valueBits = 0;
    this.#highestPoint = 0;
  }

  #count(of: number, points: number, steps: number): void {
    this.points += points;
    this.steps += steps;
    this.#pointsOf[of] = (this.#pointsOf[of] as number) + points;
    this.#stepsOf[of] = (this.#stepsOf[of] as number) + steps;
    this.#valueBits += points * (this.#firstBits[of] as number) + steps * (this.#stepBits[of] as number);
  }

  #widen(of: number, low: number, high: number, stepLow: number, stepHigh: number): void {
    this.#low[of] = Math.min(this.#low[of] as number, low);
    this.#high[of] = Math.max(this.#high[of] as number, high);
    this.#stepLow[of] = Math.min(this.#stepLow[of] as number, stepLow);
    this.#stepHigh[of] = Math.max(this.#stepHigh[of] as number, stepHigh);
    const points = this.#pointsOf[of] as number;
    const steps = this.#stepsOf[of] as number;
    this.#valueBits -= points * (this.#firstBits[of] as number) + steps * (this.#stepBits[of] as number);
    this.#measure(of);
    this.#valueBits += points * (this.#firstBits[of] as number) + steps * (this.#stepBits[of] as number);
  }

  #measure(of: number): void {
    const key = this.keyOf[of] as number;
    let firstBits = 0;
    let stepBits = 0;
    switch (classKind(key)) {
      case Kind.null:
        break;
      case Kind.bool:
        firstBits = 1;
        stepBits = 2;
        break;
      case Kind.text:
        firstBits = 17;
        stepBits = 18;
        break;
      default: {
        const scheme = classForm(key) & 7;
        if (scheme === Scheme.words) {
          firstBits = 64;
          stepBits = 64;
        } else if (scheme === Scheme.singleBits) {
          firstBits = 32;
          stepBits = 33;
        } else {
          firstBits = bitWidth((this.#high[of] as number) - (this.#low[of] as number));
          stepBits = stepWidth((this.#stepHigh[of] as number) - (this.#stepLow[of] as number));
          if (scheme === Scheme.corrected) {
            firstBits += CORRECTION_BITS;
            stepBits += CORRECTION_BITS;
          }
        }
      }
    }
    this.#firstBits[of] = firstBits;
    this.#stepBits[of] = stepBits;
  }
}
