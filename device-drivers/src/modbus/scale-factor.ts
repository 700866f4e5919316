import { bad, type QualityByte } from '@millwright/protocol';

/** @see SunSpec Device Information Model Specification V1.1 §4.2.8: −10 to 10 */
const LARGEST = 10;
const NOT_YET_READ = bad('not-yet-read');
const DECODE_ERROR = bad('decode-error');

/** A power of ten that the device itself tells in a register of its own, for the points that name it. */
export class ScaleFactor {
  /** Why there is none; undefined when there is one. */
  missing: QualityByte | undefined = NOT_YET_READ;
  #multiplier = 1;
  #divisor = 1;

  /** @param exponent as it stands in the register */
  set(exponent: number): void {
    const isKnown = Number.isInteger(exponent) && Math.abs(exponent) <= LARGEST;
    this.missing = isKnown ? undefined : DECODE_ERROR;
    if (!isKnown) return;
    this.#multiplier = exponent > 0 ? 10 ** exponent : 1;
    // Dividing by a whole power of ten gives the decimal the device meant; multiplying by 0.1 does not.
    this.#divisor = exponent < 0 ? 10 ** -exponent : 1;
  }

  /** The device may be another one when it is back. */
  forget(): void {
    this.missing = NOT_YET_READ;
  }

  apply(raw: number): number {
    return (raw * this.#multiplier) / this.#divisor;
  }

  undo(value: number): number {
    return (value * this.#divisor) / this.#multiplier;
  }
}
