import { Kind } from '../samples/value.ts';
import type { Cells } from './cells.ts';
import { INVERSE_POWERS, POWERS, Scheme } from './decimals.ts';
import { unitsBetween } from './encode-numbers.ts';

const TWO32 = 0x1_0000_0000;

/** Reads cells, which the point tracker has found to fit a form, as that form's whole numbers. */
export class WholeReader {
  readonly #single = new Float32Array(1);
  readonly #singleBits = new Int32Array(this.#single.buffer);

  read(kind: number, form: number, cells: Cells, rows: Int32Array, count: number, into: Float64Array): void {
    const { value: values, words } = cells;
    if (kind === Kind.bool || kind === Kind.text) {
      for (let index = 0; index < count; index++) into[index] = values[rows[index] as number] as number;
      return;
    }
    const scheme = form & 7;
    if (scheme === Scheme.words) {
      for (let index = 0; index < count; index++)
        into[index] = words[2 * (rows[index] as number) + 1] as number;
    } else if (kind !== Kind.float64) {
      for (let index = 0; index < count; index++) {
        const at = 2 * (rows[index] as number);
        into[index] = (words[at + 1] as number) * TWO32 + ((words[at] as number) >>> 0);
      }
    } else if (scheme === Scheme.singleBits) {
      for (let index = 0; index < count; index++) {
        this.#single[0] = values[rows[index] as number] as number;
        const pattern = this.#singleBits[0] as number;
        into[index] = pattern >= 0 ? pattern : -1 - (pattern & 0x7fff_ffff);
      }
    } else {
      const power = POWERS[form >> 3] as number;
      for (let index = 0; index < count; index++) {
        into[index] = Math.round((values[rows[index] as number] as number) * power);
      }
    }
  }

  /** The lower words of the cells. */
  lower(cells: Cells, rows: Int32Array, count: number, into: Float64Array): void {
    for (let index = 0; index < count; index++) {
      into[index] = (cells.words[2 * (rows[index] as number)] as number) >>> 0;
    }
  }

  /** @returns whether all values are whole numbers times a negative power of ten */
  products(cells: Cells, rows: Int32Array, count: number, exponent: number, into: Float64Array): boolean {
    const power = POWERS[exponent] as number;
    const inverse = INVERSE_POWERS[exponent] as number;
    for (let index = 0; index < count; index++) {
      const value = cells.value[rows[index] as number] as number;
      const whole = Math.round(value * power);
      if (whole * inverse !== value) return false;
      into[index] = whole;
    }
    return true;
  }

  /** Units in the last place between the decimals and the values. */
  corrections(cells: Cells, rows: Int32Array, count: number, exponent: number, into: Float64Array): void {
    const power = POWERS[exponent] as number;
    for (let index = 0; index < count; index++) {
      const value = cells.value[rows[index] as number] as number;
      const decimal = Math.round(value * power) / power;
      into[index] = decimal === value ? 0 : unitsBetween(decimal, value);
    }
  }
}
