import { type ByteReader, invalidFrame } from './bytes.ts';
import type { Cells } from './cells.ts';
import { INVERSE_POWERS, POWERS, Scheme } from './decimals.ts';
import type { IntegerDecoder } from './decode-integers.ts';
import { growFloat64 } from './integers.ts';

const TWO32 = 0x1_0000_0000;
const SINGLE = new Float32Array(1);
const SINGLE_BITS = new Int32Array(SINGLE.buffer);

/** Reads columns of doubles and of 64-bit integers into cells. */
export class NumberDecoder {
  readonly #integers: IntegerDecoder;
  #wholes = new Float64Array(0);
  #corrections = new Float64Array(0);

  constructor(deps: { readonly integers: IntegerDecoder }) {
    this.#integers = deps.integers;
  }

  /** @param cells the column goes to cells at … at + count − 1 */
  decodeDoubles(from: ByteReader, cells: Cells, at: number, count: number): void {
    const form = from.byte();
    if ((form & 7) === Scheme.words) {
      this.decodeWords(from, cells.words, at, count);
      return;
    }
    this.#reserve(count);
    this.#integers.decode(from, this.#wholes, count);
    fillDoubles(form, this.#wholes, cells.value, at, count);
    if ((form & 7) === Scheme.corrected) {
      this.decodeCorrections(from, cells.words, at, count);
      this.#exceptions(from, cells.words, at, count);
    }
  }

  decodeWholes(from: ByteReader, words: Int32Array, at: number, count: number): void {
    const scheme = from.byte();
    if (scheme === Scheme.words) {
      this.decodeWords(from, words, at, count);
      return;
    }
    if (scheme !== Scheme.quotient) throw invalidFrame(`integer scheme ${scheme} is not known`);
    this.#reserve(count);
    this.#integers.decode(from, this.#wholes, count);
    fillWords(this.#wholes, words, at, count);
  }

  /** Both words of every cell, the upper ones first. */
  decodeWords(from: ByteReader, words: Int32Array, at: number, count: number): void {
    this.#reserve(count);
    const wholes = this.#wholes;
    this.#integers.decode(from, wholes, count);
    for (let index = 0; index < count; index++) words[2 * (at + index) + 1] = wholes[index] as number;
    this.#integers.decode(from, wholes, count);
    for (let index = 0; index < count; index++) words[2 * (at + index)] = wholes[index] as number;
  }

  /** Moves doubles by units in the last place. */
  decodeCorrections(from: ByteReader, words: Int32Array, at: number, count: number): void {
    this.#reserve(count);
    const corrections = this.#corrections;
    this.#integers.decode(from, corrections, count);
    for (let index = 0; index < count; index++) {
      const correction = corrections[index] as number;
      if (correction === 0) continue;
      const cell = 2 * (at + index);
      const lower = ((words[cell] as number) >>> 0) + correction;
      words[cell] = lower;
      words[cell + 1] = (words[cell + 1] as number) + Math.floor(lower / TWO32);
    }
  }

  #exceptions(from: ByteReader, words: Int32Array, at: number, count: number): void {
    const exceptions = from.varint();
    if (exceptions > count) throw invalidFrame('a column has more exceptions than values');
    if (exceptions === 0) return;
    const rows = this.#corrections;
    this.#integers.decode(from, rows, exceptions);
    for (let index = 0; index < exceptions; index++) {
      const row = (rows[index] as number) + (index === 0 ? 0 : (rows[index - 1] as number));
      if (!(row >= 0 && row < count)) throw invalidFrame('an exception lies outside of its column');
      rows[index] = row;
    }
    const wholes = this.#wholes;
    this.#integers.decode(from, wholes, exceptions);
    for (let index = 0; index < exceptions; index++) {
      words[2 * (at + (rows[index] as number)) + 1] = wholes[index] as number;
    }
    this.#integers.decode(from, wholes, exceptions);
    for (let index = 0; index < exceptions; index++) {
      words[2 * (at + (rows[index] as number))] = wholes[index] as number;
    }
  }

  #reserve(count: number): void {
    this.#wholes = growFloat64(this.#wholes, count, 0);
    this.#corrections = growFloat64(this.#corrections, count, 0);
  }
}

/**
 * Turns a form's whole numbers into doubles; corrections come after.
 * @throws InvalidInputError `FRAME_INVALID` for a form that is not known
 */
export function fillDoubles(
  form: number,
  wholes: Float64Array,
  values: Float64Array,
  at: number,
  count: number,
): void {
  const power = POWERS[form >> 3];
  if (power === undefined) throw invalidFrame(`decimal exponent ${form >> 3} is out of range`);
  switch (form & 7) {
    case Scheme.quotient:
    case Scheme.corrected:
      for (let index = 0; index < count; index++) values[at + index] = (wholes[index] as number) / power;
      return;
    case Scheme.product: {
      const inverse = INVERSE_POWERS[form >> 3] as number;
      for (let index = 0; index < count; index++) values[at + index] = (wholes[index] as number) * inverse;
      return;
    }
    case Scheme.single:
      for (let index = 0; index < count; index++) {
        values[at + index] = Math.fround((wholes[index] as number) / power);
      }
      return;
    case Scheme.singleBits:
      for (let index = 0; index < count; index++) {
        const ordered = wholes[index] as number;
        SINGLE_BITS[0] = ordered >= 0 ? ordered : (-1 - ordered) | 0x8000_0000;
        values[at + index] = SINGLE[0] as number;
      }
      return;
    default:
      throw invalidFrame(`number form ${form} is not known`);
  }
}

/** Whole numbers as 64-bit integers. */
export function fillWords(wholes: Float64Array, words: Int32Array, at: number, count: number): void {
  for (let index = 0; index < count; index++) {
    const whole = wholes[index] as number;
    words[2 * (at + index)] = whole;
    words[2 * (at + index) + 1] = Math.floor(whole / TWO32);
  }
}
