import { type ByteReader, invalidFrame } from './bytes.ts';
import { INVERSE_POWERS, POWERS, Scheme } from './decimals.ts';
import type { IntegerDecoder } from './decode-integers.ts';

const TWO32 = 0x1_0000_0000;
const SINGLE = new Float32Array(1);
const SINGLE_BITS = new Int32Array(SINGLE.buffer);

/** Reads columns of doubles and of 64-bit integers into cells. */
export class NumberDecoder {
  readonly #integers: IntegerDecoder;
  readonly #wholes: Float64Array;
  readonly #corrections: Float64Array;

  constructor(deps: { readonly integers: IntegerDecoder; readonly longest: number }) {
    this.#integers = deps.integers;
    this.#wholes = new Float64Array(deps.longest);
    this.#corrections = new Float64Array(deps.longest);
  }

  /** @param words view of the same cells as `values`; the column goes to cells at … at + count − 1 */
  decodeDoubles(from: ByteReader, values: Float64Array, words: Int32Array, at: number, count: number): void {
    const first = from.byte();
    const scheme = first & 7;
    const exponent = first >> 3;
    const wholes = this.#wholes;
    const power = POWERS[exponent];
    if (power === undefined) throw invalidFrame(`decimal exponent ${exponent} is out of range`);
    if (scheme === Scheme.words) {
      this.decodeWords(from, words, at, count);
      return;
    }
    this.#integers.decode(from, wholes, count);
    switch (scheme) {
      case Scheme.quotient:
        for (let index = 0; index < count; index++) values[at + index] = (wholes[index] as number) / power;
        return;
      case Scheme.product: {
        const inverse = INVERSE_POWERS[exponent] as number;
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
      case Scheme.corrected:
        for (let index = 0; index < count; index++) values[at + index] = (wholes[index] as number) / power;
        this.#correct(from, words, at, count);
        return;
      default:
        throw invalidFrame(`number scheme ${scheme} is not known`);
    }
  }

  decodeWholes(from: ByteReader, words: Int32Array, at: number, count: number): void {
    const scheme = from.byte();
    if (scheme === Scheme.words) {
      this.decodeWords(from, words, at, count);
      return;
    }
    if (scheme !== Scheme.quotient) throw invalidFrame(`integer scheme ${scheme} is not known`);
    const wholes = this.#wholes;
    this.#integers.decode(from, wholes, count);
    for (let index = 0; index < count; index++) {
      const whole = wholes[index] as number;
      words[2 * (at + index)] = whole;
      words[2 * (at + index) + 1] = Math.floor(whole / TWO32);
    }
  }

  /** Both words of every cell, the upper ones first. */
  decodeWords(from: ByteReader, words: Int32Array, at: number, count: number): void {
    const wholes = this.#wholes;
    this.#integers.decode(from, wholes, count);
    for (let index = 0; index < count; index++) words[2 * (at + index) + 1] = wholes[index] as number;
    this.#integers.decode(from, wholes, count);
    for (let index = 0; index < count; index++) words[2 * (at + index)] = wholes[index] as number;
  }

  #correct(from: ByteReader, words: Int32Array, at: number, count: number): void {
    const corrections = this.#corrections;
    this.#integers.decode(from, corrections, count);
    for (let index = 0; index < count; index++) {
      const correction = corrections[index] as number;
      if (correction === 0) continue;
      const lower = ((words[2 * (at + index)] as number) >>> 0) + correction;
      words[2 * (at + index)] = lower;
      words[2 * (at + index) + 1] = (words[2 * (at + index) + 1] as number) + Math.floor(lower / TWO32);
    }
    const exceptions = from.varint();
    if (exceptions > count) throw invalidFrame('a column has more exceptions than values');
    if (exceptions === 0) return;
    const rows = corrections;
    this.#integers.decode(from, rows, exceptions);
    for (let index = 1; index < exceptions; index++) {
      rows[index] = (rows[index] as number) + (rows[index - 1] as number);
    }
    for (let index = 0; index < exceptions; index++) {
      const row = rows[index] as number;
      if (!(row >= 0 && row < count)) throw invalidFrame('an exception lies outside of its column');
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
}
