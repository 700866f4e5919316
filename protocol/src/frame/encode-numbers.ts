import type { ByteWriter } from './bytes.ts';
import type { Cells } from './cells.ts';
import { INVERSE_POWERS, MAX_EXPONENT, POWERS, Scheme } from './decimals.ts';
import type { IntegerEncoder } from './encode-integers.ts';
import { growFloat64, MAX_WHOLE } from './integers.ts';

const TWO32 = 0x1_0000_0000;
const SAMPLE = 32;
/** Units in the last place a decimal may be off and still be kept as a decimal. */
const MAX_CORRECTION = 15;
/** What an exception costs, in bits: both words and its place. */
const EXCEPTION_BITS = 75;

/** What is known of a column of doubles before it is encoded; `unknown` = find out. */
export const Shape = { exact: 0, near: 1, unknown: 2 } as const;
export type Shape = (typeof Shape)[keyof typeof Shape];

/** Writes columns of doubles and of 64-bit integers. */
export class NumberEncoder {
  readonly #integers: IntegerEncoder;
  #wholes = new Float64Array(64);
  #corrections = new Float64Array(64);
  #exceptions = new Float64Array(64);

  constructor(deps: { readonly integers: IntegerEncoder }) {
    this.#integers = deps.integers;
  }

  /**
   * @param from first row of the column in `cells`
   * @param shape `exact`: every value is whole / 10^exponent; `near`: or a few units in the last place off
   */
  encodeDoubles(
    out: ByteWriter,
    cells: Cells,
    from: number,
    count: number,
    shape: Shape,
    exponent: number,
  ): void {
    this.#reserve(count);
    if (shape === Shape.exact && this.#quotients(cells, from, count, exponent)) {
      this.#write(out, Scheme.quotient, exponent, count);
      return;
    }
    if (shape === Shape.near) {
      if (this.#products(cells, from, count, exponent)) {
        this.#write(out, Scheme.product, exponent, count);
        return;
      }
      if (this.#corrected(cells, from, count, exponent) === 0) {
        this.#writeCorrected(out, cells, from, count, exponent, 0);
        return;
      }
    }
    this.#search(out, cells, from, count);
  }

  /** @param unsigned reads the upper word as 0 … 2^32 − 1 */
  encodeWholes(out: ByteWriter, cells: Cells, from: number, count: number, unsigned: boolean): void {
    this.#reserve(count);
    const words = cells.words;
    const wholes = this.#wholes;
    let largest = 0;
    for (let index = 0; index < count; index++) {
      const at = 2 * (from + index);
      const upper = words[at + 1] as number;
      const whole = (unsigned ? upper >>> 0 : upper) * TWO32 + ((words[at] as number) >>> 0);
      if (Math.abs(whole) > largest) largest = Math.abs(whole);
      wholes[index] = whole;
    }
    if (largest <= MAX_WHOLE) this.#write(out, Scheme.quotient, 0, count);
    else this.#writeWords(out, cells, from, count);
  }

  #search(out: ByteWriter, cells: Cells, from: number, count: number): void {
    const start = out.length;
    this.#writeWords(out, cells, from, count);
    const single = this.#singles(cells, from, count);
    if (single) {
      const exponent = this.#singleExponent(cells.value, from, count);
      if (exponent >= 0 && this.#singleQuotients(cells.value, from, count, exponent)) {
        this.#keepSmaller(out, start, () => this.#write(out, Scheme.single, exponent, count));
      }
      this.#singles(cells, from, count);
      this.#keepSmaller(out, start, () => this.#write(out, Scheme.singleBits, 0, count));
    }
    const exponent = this.#likelyExponent(cells.value, from, count);
    if (exponent < 0) return;
    if (this.#products(cells, from, count, exponent)) {
      this.#keepSmaller(out, start, () => this.#write(out, Scheme.product, exponent, count));
      return;
    }
    const exceptions = this.#corrected(cells, from, count, exponent);
    if (2 * exceptions < count) {
      this.#keepSmaller(out, start, () =>
        this.#writeCorrected(out, cells, from, count, exponent, exceptions),
      );
    }
  }

  /** Writes a second form behind the one that begins at `start` and keeps whichever is smaller. */
  #keepSmaller(out: ByteWriter, start: number, write: () => void): void {
    const middle = out.length;
    write();
    const size = out.length - middle;
    if (size < middle - start) {
      out.bytes.copyWithin(start, middle, out.length);
      out.length = start + size;
    } else {
      out.length = middle;
    }
  }

  #write(out: ByteWriter, scheme: Scheme, exponent: number, count: number): void {
    out.byte(scheme | (exponent << 3));
    this.#integers.encode(out, this.#wholes, count);
  }

  #writeWords(out: ByteWriter, cells: Cells, from: number, count: number): void {
    const words = cells.words;
    const wholes = this.#wholes;
    out.byte(Scheme.words);
    for (let index = 0; index < count; index++) wholes[index] = words[2 * (from + index) + 1] as number;
    this.#integers.encode(out, wholes, count);
    for (let index = 0; index < count; index++) wholes[index] = (words[2 * (from + index)] as number) >>> 0;
    this.#integers.encode(out, wholes, count);
  }

  #writeCorrected(
    out: ByteWriter,
    cells: Cells,
    from: number,
    count: number,
    exponent: number,
    exceptions: number,
  ): void {
    this.#write(out, Scheme.corrected, exponent, count);
    this.#integers.encode(out, this.#corrections, count);
    out.varint(exceptions);
    if (exceptions === 0) return;
    const rows = this.#exceptions;
    const wholes = this.#wholes;
    const words = cells.words;
    for (let index = 0; index < exceptions; index++) {
      wholes[index] = (rows[index] as number) - (index === 0 ? 0 : (rows[index - 1] as number));
    }
    this.#integers.encode(out, wholes, exceptions);
    for (let index = 0; index < exceptions; index++) {
      wholes[index] = words[2 * (from + (rows[index] as number)) + 1] as number;
    }
    this.#integers.encode(out, wholes, exceptions);
    for (let index = 0; index < exceptions; index++) {
      wholes[index] = (words[2 * (from + (rows[index] as number))] as number) >>> 0;
    }
    this.#integers.encode(out, wholes, exceptions);
  }

  #quotients(cells: Cells, from: number, count: number, exponent: number): boolean {
    const values = cells.value;
    const wholes = this.#wholes;
    const power = POWERS[exponent] as number;
    for (let index = 0; index < count; index++) {
      const value = values[from + index] as number;
      const whole = Math.round(value * power);
      if (whole / power !== value || !isKept(whole, value)) return false;
      wholes[index] = whole;
    }
    return true;
  }

  #products(cells: Cells, from: number, count: number, exponent: number): boolean {
    const values = cells.value;
    const wholes = this.#wholes;
    const power = POWERS[exponent] as number;
    const inverse = INVERSE_POWERS[exponent] as number;
    for (let index = 0; index < count; index++) {
      const value = values[from + index] as number;
      const whole = Math.round(value * power);
      if (whole * inverse !== value || !isKept(whole, value)) return false;
      wholes[index] = whole;
    }
    return true;
  }

  /** Fills wholes, corrections and the rows of exceptions. @returns how many exceptions */
  #corrected(cells: Cells, from: number, count: number, exponent: number): number {
    const values = cells.value;
    const wholes = this.#wholes;
    const corrections = this.#corrections;
    const power = POWERS[exponent] as number;
    let exceptions = 0;
    let previous = 0;
    for (let index = 0; index < count; index++) {
      const value = values[from + index] as number;
      const whole = Math.round(value * power);
      let correction = 0;
      let kept = isKept(whole, value);
      if (kept && whole / power !== value) {
        correction = unitsBetween(whole / power, value);
        kept = Math.abs(correction) <= MAX_CORRECTION;
      }
      if (kept) {
        previous = whole;
        corrections[index] = correction;
      } else {
        corrections[index] = 0;
        this.#exceptions[exceptions++] = index;
      }
      wholes[index] = previous;
    }
    return exceptions;
  }

  /** Fills wholes with the ordered bit patterns. @returns whether every value is a float32 */
  #singles(cells: Cells, from: number, count: number): boolean {
    const values = cells.value;
    const wholes = this.#wholes;
    const single = SINGLE;
    const bits = SINGLE_BITS;
    for (let index = 0; index < count; index++) {
      const value = values[from + index] as number;
      single[0] = value;
      if (single[0] !== value) return false;
      const pattern = bits[0] as number;
      wholes[index] = pattern >= 0 ? pattern : -1 - (pattern & 0x7fff_ffff);
    }
    return true;
  }

  #singleQuotients(values: Float64Array, from: number, count: number, exponent: number): boolean {
    const wholes = this.#wholes;
    const power = POWERS[exponent] as number;
    for (let index = 0; index < count; index++) {
      const value = values[from + index] as number;
      const whole = Math.round(value * power);
      if (Math.fround(whole / power) !== value || !isKept(whole, value)) return false;
      wholes[index] = whole;
    }
    return true;
  }

  /** The smallest exponent at which a sample of float32 values are decimals; −1 when none is. */
  #singleExponent(values: Float64Array, from: number, count: number): number {
    const stride = Math.max(1, Math.floor(count / SAMPLE));
    let exponent = 0;
    for (let index = 0; index < count; index += stride) {
      const value = values[from + index] as number;
      for (; ; exponent++) {
        if (exponent > 9) return -1;
        const power = POWERS[exponent] as number;
        if (Math.fround(Math.round(value * power) / power) === value) break;
      }
    }
    return exponent;
  }

  /** The exponent a sample is cheapest at; −1 when the values are no decimals. */
  #likelyExponent(values: Float64Array, from: number, count: number): number {
    const stride = Math.max(1, Math.floor(count / SAMPLE));
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < count; index += stride) {
      const value = values[from + index] as number;
      if (Math.abs(value) > MAX_WHOLE) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (low > high) return -1;
    let best = -1;
    let bestBits = 62;
    for (let exponent = 0; exponent <= MAX_EXPONENT; exponent++) {
      const power = POWERS[exponent] as number;
      let bits = 0;
      let taken = 0;
      let corrected = 0;
      for (let index = 0; index < count; index += stride) {
        const value = values[from + index] as number;
        const whole = Math.round(value * power);
        const off = Math.abs(value - whole / power);
        taken++;
        if (!isKept(whole, value) || !(off <= 1e-15 * Math.abs(value))) bits += EXCEPTION_BITS;
        else if (off > 0) corrected++;
      }
      const total = (bits + 2 * corrected) / taken + Math.log2((high - low) * power + 1);
      if (total < bestBits) {
        best = exponent;
        bestBits = total;
      }
    }
    return best;
  }

  #reserve(count: number): void {
    this.#wholes = growFloat64(this.#wholes, count, 0);
    this.#corrections = growFloat64(this.#corrections, count, 0);
    this.#exceptions = growFloat64(this.#exceptions, count, 0);
  }
}

const SINGLE = new Float32Array(1);
const SINGLE_BITS = new Int32Array(SINGLE.buffer);

const PAIR = new Float64Array(2);
const PAIR_WORDS = new Int32Array(PAIR.buffer);

/** How many doubles lie between two of the same sign. */
export function unitsBetween(from: number, to: number): number {
  PAIR[0] = from;
  PAIR[1] = to;
  const lower = ((PAIR_WORDS[2] as number) >>> 0) - ((PAIR_WORDS[0] as number) >>> 0);
  return ((PAIR_WORDS[3] as number) - (PAIR_WORDS[1] as number)) * TWO32 + lower;
}

/** Whether `whole` stands for `value`: in range, no NaN, and not the zero that lost its sign. */
function isKept(whole: number, value: number): boolean {
  return whole <= MAX_WHOLE && whole >= -MAX_WHOLE && (whole !== 0 || 1 / value > 0);
}
