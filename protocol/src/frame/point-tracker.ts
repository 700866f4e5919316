import { GOOD } from '../samples/quality.ts';
import { Kind } from '../samples/value.ts';
import { bitWidth, varintLength, zigzag } from './bytes.ts';
import { MAX_EXPONENT, numberForm, POWERS, Scheme } from './decimals.ts';
import { Shape } from './encode-numbers.ts';
import { growFloat64, growInt32, growUint8, stepWidth } from './integers.ts';
import { CORRECTION_BITS, classKey, MIXED } from './layout.ts';
import { SlotTable } from './slot-table.ts';

const TWO32 = 0x1_0000_0000;
/** Small enough that ten-fold growth and the division back never round a decimal to its neighbour. */
const MAX_TRACKED = 2 ** 50;
/** How far a double may be from its decimal, relative: at most 4 units in the last place. */
const NEAR = 2.3e-16;
/** Kind of a slot that holds nothing yet. */
const NONE = 255;

/** Statistics of a slot, in doubles. */
const LOW = 0;
const HIGH = 1;
const STEP_LOW = 2;
const STEP_HIGH = 3;
const LAST = 4;
/** Bits the point takes whatever its number of samples. */
const HEAD_BITS = 5;
const SAMPLE_BITS = 6;
const FIRST = 7;
const STRIDE = 8;

/** Every double so far is a float32. */
const SINGLES = 1;
const MIXED_QUALITY = 2;

/**
 * Keeps, per point of the frame being filled, what a block of its own cannot exceed in size: that of the plainest
 * form the encoder may fall back to. A row is offered first, then accepted or refused.
 */
export class PointTracker {
  slots = 0;
  pointOf = new Int32Array(64);
  countOf = new Int32Array(64);
  nodeOf = new Int32Array(64);
  kindOf = new Uint8Array(64);
  qualityOf = new Uint8Array(64);
  shapeOf = new Uint8Array(64);
  exponentOf = new Uint8Array(64);
  /** Class of a sparse point; −1 for one with a block of its own. */
  classOf = new Int32Array(64);

  /** Bits of the offered point's block without and with the row. */
  bitsBefore = 0;
  bitsAfter = 0;
  /** The offered value as a whole number, where it is one. */
  whole = 0;
  /** Whether the offered row changed more than counts. */
  widened = false;

  #flags = new Uint8Array(64);
  #stats = new Float64Array(64 * STRIDE);
  readonly #table = new SlotTable();
  readonly #saved = new Float64Array(STRIDE);
  #savedBytes = 0;

  hasMixedQuality(slot: number): boolean {
    return ((this.#flags[slot] as number) & MIXED_QUALITY) !== 0;
  }

  /** The point's slot; a new one without samples for a point not seen in this frame. */
  slotOf(point: number): number {
    const slot = this.#table.slotOf(point);
    return slot >= 0 ? slot : this.#add(point);
  }

  offerDouble(slot: number, quality: number, value: number): void {
    if (this.kindOf[slot] === Kind.float64 && this.qualityOf[slot] === quality) {
      const flags = this.#flags[slot] as number;
      if (flags === 0 || (flags === SINGLES && Math.fround(value) === value)) {
        if (this.shapeOf[slot] === Shape.unknown) {
          this.#count(slot, 0);
          return;
        }
        const power = POWERS[this.exponentOf[slot] as number] as number;
        const whole = Math.round(value * power);
        if (whole / power === value && this.#isWithin(slot, whole) && (whole !== 0 || 1 / value > 0)) {
          this.#count(slot, whole);
          return;
        }
      }
    }
    this.#save(slot);
    this.#admit(slot, Kind.float64, quality);
    if (this.kindOf[slot] === Kind.float64) this.#widenDouble(slot, value);
    this.#measure(slot);
  }

  /** A row of any other kind; the words of its cell count for 64-bit integers only. */
  offerOther(slot: number, kind: Kind, quality: number, lower: number, upper: number): void {
    const isInteger = kind === Kind.int64 || kind === Kind.uint64;
    const whole = isInteger ? (kind === Kind.uint64 ? upper >>> 0 : upper) * TWO32 + (lower >>> 0) : 0;
    if (this.kindOf[slot] === kind && this.qualityOf[slot] === quality && !this.hasMixedQuality(slot)) {
      if (!isInteger || this.shapeOf[slot] === Shape.unknown || this.#isWithin(slot, whole)) {
        this.#count(slot, whole);
        return;
      }
    }
    this.#save(slot);
    this.#admit(slot, kind, quality);
    if (this.kindOf[slot] === Kind.int64 || this.kindOf[slot] === Kind.uint64) {
      if (Math.abs(whole) > MAX_TRACKED) this.shapeOf[slot] = Shape.unknown;
      else if (this.shapeOf[slot] === Shape.exact) this.#widenWhole(slot, whole);
    }
    this.#measure(slot);
  }

  /** What the sparse points' tracker needs of a point: its first value and the range of its steps. */
  firstOf(slot: number): number {
    return this.#stats[slot * STRIDE + FIRST] as number;
  }

  lastOf(slot: number): number {
    return this.#stats[slot * STRIDE + LAST] as number;
  }

  stepLowOf(slot: number): number {
    return this.#stats[slot * STRIDE + STEP_LOW] as number;
  }

  stepHighOf(slot: number): number {
    return this.#stats[slot * STRIDE + STEP_HIGH] as number;
  }

  /**
   * What a point's samples have in common: kind, quality and the number scheme.
   * @returns −1 when they have not
   */
  keyOf(slot: number): number {
    const kind = this.kindOf[slot] as number;
    if (kind === MIXED || this.hasMixedQuality(slot)) return -1;
    return classKey(kind, this.#schemeOf(slot, kind), this.qualityOf[slot] as number);
  }

  #schemeOf(slot: number, kind: number): number {
    if (kind !== Kind.float64 && kind !== Kind.int64 && kind !== Kind.uint64) return 0;
    switch (this.shapeOf[slot]) {
      case Shape.exact:
        return numberForm(Scheme.quotient, this.exponentOf[slot] as number);
      case Shape.near:
        return numberForm(Scheme.corrected, this.exponentOf[slot] as number);
      default: {
        const single = kind === Kind.float64 && ((this.#flags[slot] as number) & SINGLES) !== 0;
        return numberForm(single ? Scheme.singleBits : Scheme.words, 0);
      }
    }
  }

  accept(slot: number, node: number, inClass: number): void {
    this.classOf[slot] = inClass;
    this.countOf[slot] = (this.countOf[slot] as number) + 1;
    this.nodeOf[slot] = node;
    this.#stats[slot * STRIDE + LAST] = this.whole;
  }

  /** Forgets what was offered last. */
  refuse(slot: number): void {
    if (!this.widened) return;
    this.#stats.set(this.#saved, slot * STRIDE);
    this.kindOf[slot] = this.#savedBytes & 255;
    this.shapeOf[slot] = (this.#savedBytes >> 8) & 15;
    this.#flags[slot] = (this.#savedBytes >> 12) & 15;
    this.exponentOf[slot] = (this.#savedBytes >> 16) & 255;
    this.qualityOf[slot] = this.#savedBytes >>> 24;
  }

  clear(): void {
    this.#table.clear(this.pointOf, this.slots);
    this.slots = 0;
  }

  #add(point: number): number {
    const slot = this.slots++;
    if (slot === this.pointOf.length) this.#grow(slot);
    this.#table.set(point, slot);
    this.pointOf[slot] = point;
    this.countOf[slot] = 0;
    this.nodeOf[slot] = 0;
    this.classOf[slot] = -1;
    this.kindOf[slot] = NONE;
    this.qualityOf[slot] = GOOD;
    this.shapeOf[slot] = Shape.exact;
    this.exponentOf[slot] = 0;
    this.#flags[slot] = SINGLES;
    const at = slot * STRIDE;
    this.#stats.fill(0, at, at + STRIDE);
    return slot;
  }

  #grow(kept: number): void {
    this.pointOf = growInt32(this.pointOf, kept + 1, kept);
    this.countOf = growInt32(this.countOf, kept + 1, kept);
    this.nodeOf = growInt32(this.nodeOf, kept + 1, kept);
    this.classOf = growInt32(this.classOf, kept + 1, kept);
    this.kindOf = growUint8(this.kindOf, kept + 1, kept);
    this.qualityOf = growUint8(this.qualityOf, kept + 1, kept);
    this.shapeOf = growUint8(this.shapeOf, kept + 1, kept);
    this.exponentOf = growUint8(this.exponentOf, kept + 1, kept);
    this.#flags = growUint8(this.#flags, kept + 1, kept);
    this.#stats = growFloat64(this.#stats, (kept + 1) * STRIDE, kept * STRIDE);
  }

  #isWithin(slot: number, whole: number): boolean {
    const stats = this.#stats;
    const at = slot * STRIDE;
    const step = whole - (stats[at + LAST] as number);
    return (
      whole >= (stats[at + LOW] as number) &&
      whole <= (stats[at + HIGH] as number) &&
      step >= (stats[at + STEP_LOW] as number) &&
      step <= (stats[at + STEP_HIGH] as number)
    );
  }

  /** One more sample like those before. */
  #count(slot: number, whole: number): void {
    const at = slot * STRIDE;
    const count = this.countOf[slot] as number;
    const head = this.#stats[at + HEAD_BITS] as number;
    const sample = this.#stats[at + SAMPLE_BITS] as number;
    this.whole = whole;
    this.widened = false;
    this.bitsBefore = count === 0 ? 0 : head + count * sample;
    this.bitsAfter = head + (count + 1) * sample;
  }

  #save(slot: number): void {
    const at = slot * STRIDE;
    for (let index = 0; index < STRIDE; index++) this.#saved[index] = this.#stats[at + index] as number;
    this.#savedBytes =
      (this.kindOf[slot] as number) |
      ((this.shapeOf[slot] as number) << 8) |
      ((this.#flags[slot] as number) << 12) |
      ((this.exponentOf[slot] as number) << 16) |
      ((this.qualityOf[slot] as number) << 24);
  }

  #admit(slot: number, kind: Kind, quality: number): void {
    this.whole = this.#stats[slot * STRIDE + LAST] as number;
    if (this.kindOf[slot] === NONE) {
      this.kindOf[slot] = kind;
      this.qualityOf[slot] = quality;
      return;
    }
    if (this.kindOf[slot] !== kind) this.kindOf[slot] = MIXED;
    if (this.qualityOf[slot] !== quality) this.#flags[slot] = (this.#flags[slot] as number) | MIXED_QUALITY;
  }

  #widenDouble(slot: number, value: number): void {
    if (Math.fround(value) !== value) this.#flags[slot] = (this.#flags[slot] as number) & ~SINGLES;
    if (this.shapeOf[slot] === Shape.unknown) return;
    const old = this.exponentOf[slot] as number;
    for (let exponent = old; exponent <= MAX_EXPONENT; exponent++) {
      const power = POWERS[exponent] as number;
      const whole = Math.round(value * power);
      if (!(Math.abs(whole) <= MAX_TRACKED) || (whole === 0 && !(1 / value > 0))) break;
      const off = Math.abs(value - whole / power);
      if (off > NEAR * Math.abs(value)) continue;
      if (exponent > old && !this.#rescale(slot, exponent, POWERS[exponent - old] as number)) break;
      if (off > 0) this.shapeOf[slot] = Shape.near;
      this.#widenWhole(slot, whole);
      return;
    }
    this.shapeOf[slot] = Shape.unknown;
  }

  #rescale(slot: number, exponent: number, factor: number): boolean {
    const stats = this.#stats;
    const at = slot * STRIDE;
    if (
      Math.max(Math.abs(stats[at + LOW] as number), Math.abs(stats[at + HIGH] as number)) * factor >
      MAX_TRACKED
    ) {
      return false;
    }
    for (let index = LOW; index <= LAST; index++) stats[at + index] = (stats[at + index] as number) * factor;
    stats[at + FIRST] = (stats[at + FIRST] as number) * factor;
    this.exponentOf[slot] = exponent;
    return true;
  }

  #widenWhole(slot: number, whole: number): void {
    const stats = this.#stats;
    const at = slot * STRIDE;
    const count = this.countOf[slot] as number;
    if (count === 0) {
      stats[at + LOW] = whole;
      stats[at + HIGH] = whole;
      stats[at + FIRST] = whole;
    } else {
      const step = whole - (stats[at + LAST] as number);
      stats[at + LOW] = Math.min(stats[at + LOW] as number, whole);
      stats[at + HIGH] = Math.max(stats[at + HIGH] as number, whole);
      stats[at + STEP_LOW] = count === 1 ? step : Math.min(stats[at + STEP_LOW] as number, step);
      stats[at + STEP_HIGH] = count === 1 ? step : Math.max(stats[at + STEP_HIGH] as number, step);
    }
    this.whole = whole;
  }

  /** Works out the slot's bits anew. */
  #measure(slot: number): void {
    this.widened = true;
    const stats = this.#stats;
    const at = slot * STRIDE;
    const count = this.countOf[slot] as number;
    this.bitsBefore =
      count === 0 ? 0 : (stats[at + HEAD_BITS] as number) + count * (stats[at + SAMPLE_BITS] as number);
    const mixedQuality = this.hasMixedQuality(slot);
    // Directory: number, timeline, length. Block: first byte, qualities, and the rounding of each column to bytes.
    let head = 8 * (varintLength(4 * (this.pointOf[slot] as number)) + 3 + 3 + 1 + 4);
    let sample = 0;
    if (mixedQuality) {
      head += 8 * 3;
      sample += 8;
    } else if (this.qualityOf[slot] !== GOOD) {
      head += 8;
    }
    switch (this.kindOf[slot]) {
      case Kind.null:
        break;
      case Kind.bool:
        head += 8 * 2;
        sample += 1;
        break;
      case Kind.text:
        head += 8 * 4;
        sample += 17;
        break;
      case MIXED:
        // Kinds, three columns of words, booleans and texts.
        head += 8 * (3 + 3 * 13 + 2 + 4 + 6);
        sample += 3 + 64;
        break;
      default:
        if (this.shapeOf[slot] === Shape.unknown) {
          const single =
            this.kindOf[slot] === Kind.float64 && ((this.#flags[slot] as number) & SINGLES) !== 0;
          head += single ? 8 * 7 : 8 * 13;
          sample += single ? 32 : 64;
        } else {
          if (this.shapeOf[slot] === Shape.near) {
            head += 8 * 3;
            sample += CORRECTION_BITS;
          }
          const low = stats[at + LOW] as number;
          const high = stats[at + HIGH] as number;
          const stepLow = stats[at + STEP_LOW] as number;
          const plain = bitWidth(high - low);
          const steps = stepWidth((stats[at + STEP_HIGH] as number) - stepLow);
          const lowBytes = varintLength(zigzag(low));
          const plainHead = 8 * (2 + lowBytes);
          const stepsHead =
            8 * (2 + Math.max(lowBytes, varintLength(zigzag(high))) + varintLength(zigzag(stepLow)));
          if (plainHead + (count + 1) * plain <= stepsHead + count * steps) {
            head += plainHead;
            sample += plain;
          } else {
            head += stepsHead;
            sample += steps;
          }
        }
    }
    stats[at + HEAD_BITS] = head;
    stats[at + SAMPLE_BITS] = sample;
    this.bitsAfter = head + (count + 1) * sample;
  }
}
