import { GOOD } from '../samples/quality.ts';
import { Kind } from '../samples/value.ts';
import { bitWidth, varintLength, zigzag } from './bytes.ts';
import { MAX_EXPONENT, POWERS } from './decimals.ts';
import { Shape } from './encode-numbers.ts';
import { growFloat64, growInt32, growUint8, MAX_WHOLE, stepWidth } from './integers.ts';
import { MIXED } from './layout.ts';

/** Points below this number are found by table, others by map. */
const TABLE_LIMIT = 1 << 20;
const TWO32 = 0x1_0000_0000;
/** Small enough that ten-fold growth and the division back never round a decimal to its neighbour. */
const MAX_TRACKED = 2 ** 50;
/** How far a double may be from its decimal, relative: at most 4 units in the last place. */
const NEAR = 2.3e-16;
const CORRECTION_BITS = 4;
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
const STRIDE = 7;

/** Every double so far is a float32. */
const SINGLES = 1;
const MIXED_QUALITY = 2;

/**
 * Keeps, per point of the frame being filled, what its column cannot exceed in size: that of the plainest form the
 * encoder may fall back to. A row is offered first, then accepted or refused.
 */
export class PointTracker {
  /** Bits all points take together. */
  bits = 0;
  slots = 0;
  pointOf = new Int32Array(64);
  countOf = new Int32Array(64);
  nodeOf = new Int32Array(64);
  kindOf = new Uint8Array(64);
  qualityOf = new Uint8Array(64);
  shapeOf = new Uint8Array(64);
  exponentOf = new Uint8Array(64);
  #flags = new Uint8Array(64);
  #stats = new Float64Array(64 * STRIDE);
  /** Slot plus one by point number. */
  #table = new Int32Array(1024);
  readonly #map = new Map<number, number>();

  #whole = 0;
  #grown = 0;
  #widened = false;
  readonly #saved = new Float64Array(STRIDE);
  #savedBytes = 0;

  hasMixedQuality(slot: number): boolean {
    return ((this.#flags[slot] as number) & MIXED_QUALITY) !== 0;
  }

  slotOf(point: number): number {
    if (point < this.#table.length) {
      const slot = (this.#table[point] as number) - 1;
      if (slot >= 0) return slot;
    }
    return this.#find(point);
  }

  /** @returns by how many bits the frame grows at most when the row is accepted */
  offerDouble(slot: number, quality: number, value: number): number {
    if (this.kindOf[slot] === Kind.float64 && this.qualityOf[slot] === quality) {
      const stats = this.#stats;
      const at = slot * STRIDE;
      const flags = this.#flags[slot] as number;
      const plain = flags === 0 || (flags === SINGLES && Math.fround(value) === value);
      if (plain && this.shapeOf[slot] === Shape.unknown) {
        return this.#narrow(0, stats[at + SAMPLE_BITS] as number);
      }
      const power = POWERS[this.exponentOf[slot] as number] as number;
      const whole = Math.round(value * power);
      const step = whole - (stats[at + LAST] as number);
      if (
        whole / power === value &&
        plain &&
        whole >= (stats[at + LOW] as number) &&
        whole <= (stats[at + HIGH] as number) &&
        step >= (stats[at + STEP_LOW] as number) &&
        step <= (stats[at + STEP_HIGH] as number) &&
        (whole !== 0 || 1 / value > 0)
      ) {
        return this.#narrow(whole, stats[at + SAMPLE_BITS] as number);
      }
    }
    this.#save(slot);
    this.#admit(slot, Kind.float64, quality);
    if (this.kindOf[slot] === Kind.float64) this.#widenDouble(slot, value);
    return this.#measure(slot);
  }

  /** A row of any other kind; the words of its cell count for 64-bit integers only. */
  offerOther(slot: number, kind: Kind, quality: number, lower: number, upper: number): number {
    this.#save(slot);
    this.#admit(slot, kind, quality);
    if (this.kindOf[slot] === Kind.int64 || this.kindOf[slot] === Kind.uint64) {
      const whole = (kind === Kind.uint64 ? upper >>> 0 : upper) * TWO32 + (lower >>> 0);
      if (Math.abs(whole) > MAX_WHOLE) this.shapeOf[slot] = Shape.unknown;
      else this.#widenWhole(slot, whole);
    }
    return this.#measure(slot);
  }

  accept(slot: number, node: number): void {
    this.bits += this.#grown;
    this.countOf[slot] = (this.countOf[slot] as number) + 1;
    this.nodeOf[slot] = node;
    this.#stats[slot * STRIDE + LAST] = this.#whole;
  }

  /** Forgets what was offered last. */
  refuse(slot: number): void {
    if (!this.#widened) return;
    this.#stats.set(this.#saved, slot * STRIDE);
    this.kindOf[slot] = this.#savedBytes & 255;
    this.shapeOf[slot] = (this.#savedBytes >> 8) & 15;
    this.#flags[slot] = (this.#savedBytes >> 12) & 15;
    this.exponentOf[slot] = (this.#savedBytes >> 16) & 255;
    this.qualityOf[slot] = this.#savedBytes >>> 24;
  }

  clear(): void {
    for (let slot = 0; slot < this.slots; slot++) {
      const point = this.pointOf[slot] as number;
      if (point < this.#table.length) this.#table[point] = 0;
    }
    this.#map.clear();
    this.slots = 0;
    this.bits = 0;
  }

  #find(point: number): number {
    if (point >= TABLE_LIMIT) {
      const known = this.#map.get(point);
      if (known !== undefined) return known;
    } else if (point >= this.#table.length) {
      this.#table = growInt32(this.#table, point + 1, this.#table.length);
    }
    const slot = this.slots++;
    if (slot === this.pointOf.length) this.#grow(slot);
    if (point < TABLE_LIMIT) this.#table[point] = slot + 1;
    else this.#map.set(point, slot);
    this.pointOf[slot] = point;
    this.countOf[slot] = 0;
    this.nodeOf[slot] = 0;
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
    this.kindOf = growUint8(this.kindOf, kept + 1, kept);
    this.qualityOf = growUint8(this.qualityOf, kept + 1, kept);
    this.shapeOf = growUint8(this.shapeOf, kept + 1, kept);
    this.exponentOf = growUint8(this.exponentOf, kept + 1, kept);
    this.#flags = growUint8(this.#flags, kept + 1, kept);
    this.#stats = growFloat64(this.#stats, (kept + 1) * STRIDE, kept * STRIDE);
  }

  #narrow(whole: number, sampleBits: number): number {
    this.#whole = whole;
    this.#widened = false;
    this.#grown = sampleBits;
    return sampleBits;
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
    this.#whole = this.#stats[slot * STRIDE + LAST] as number;
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
    } else {
      const step = whole - (stats[at + LAST] as number);
      stats[at + LOW] = Math.min(stats[at + LOW] as number, whole);
      stats[at + HIGH] = Math.max(stats[at + HIGH] as number, whole);
      stats[at + STEP_LOW] = count === 1 ? step : Math.min(stats[at + STEP_LOW] as number, step);
      stats[at + STEP_HIGH] = count === 1 ? step : Math.max(stats[at + STEP_HIGH] as number, step);
    }
    this.#whole = whole;
  }

  /** Works out the slot's bits anew. @returns by how many they grow */
  #measure(slot: number): number {
    this.#widened = true;
    const stats = this.#stats;
    const at = slot * STRIDE;
    const count = this.countOf[slot] as number;
    const before =
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
    this.#grown = head + (count + 1) * sample - before;
    return this.#grown;
  }
}
