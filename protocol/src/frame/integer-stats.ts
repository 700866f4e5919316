import { fixedBytes, riceBits } from './bit-pack.ts';
import { bitWidth, varintLength, zigzag } from './bytes.ts';
import { MAX_STEP_RANGE } from './integers.ts';

/** What an encoder needs to know of a column of whole numbers before it picks a form. */
export class IntegerStats {
  count = 0;
  first = 0;
  low = 0;
  high = 0;
  stepLow = 0;
  stepHigh = 0;
  /** Values that differ from the one before, and the first. */
  changes = 0;
  /** The mean step, and the mean of a sample of values. */
  drift = 0;
  centre = 0;
  #steps = 0;
  #bends = 0;

  measure(values: Float64Array, count: number): void {
    const first = values[0] as number;
    let low = first;
    let high = first;
    let stepLow = Number.POSITIVE_INFINITY;
    let stepHigh = Number.NEGATIVE_INFINITY;
    let steps = 0;
    let bends = 0;
    let changes = 1;
    let previous = first;
    let previousStep = 0;
    for (let index = 1; index < count; index++) {
      const value = values[index] as number;
      const step = value - previous;
      if (value < low) low = value;
      if (value > high) high = value;
      if (step < stepLow) stepLow = step;
      if (step > stepHigh) stepHigh = step;
      if (step !== 0) changes++;
      steps += Math.abs(step);
      bends += Math.abs(step - previousStep);
      previous = value;
      previousStep = step;
    }
    this.count = count;
    this.first = first;
    this.low = low;
    this.high = high;
    this.stepLow = stepLow;
    this.stepHigh = stepHigh;
    this.changes = changes;
    this.drift = count > 1 ? Math.round((previous - first) / (count - 1)) : 0;
    this.#steps = steps;
    this.#bends = bends;
  }

  get isConstant(): boolean {
    return this.low === this.high;
  }

  get isLine(): boolean {
    return this.stepLow === this.stepHigh;
  }

  get stepsFit(): boolean {
    return this.stepHigh - this.stepLow < MAX_STEP_RANGE;
  }

  get valueWidth(): number {
    return bitWidth(this.high - this.low);
  }

  get stepWidth(): number {
    return bitWidth(this.stepHigh - this.stepLow);
  }

  /** Bytes of the values, packed. */
  get plainBytes(): number {
    return 1 + varintLength(zigzag(this.low)) + fixedBytes(this.count, this.valueWidth);
  }

  /** Bytes of the steps, packed; Infinity when they spread too wide to be exact. */
  get stepBytes(): number {
    if (!this.stepsFit) return Number.POSITIVE_INFINITY;
    const heads = varintLength(zigzag(this.first)) + varintLength(zigzag(this.stepLow));
    return 1 + heads + fixedBytes(this.count - 1, this.stepWidth);
  }

  /** Bytes of Rice codes around the centre, roughly; finds the centre. */
  riceBytes(values: Float64Array): number {
    const { count } = this;
    const stride = Math.max(1, count >> 6);
    let sum = 0;
    let taken = 0;
    for (let index = 0; index < count; index += stride) {
      sum += values[index] as number;
      taken++;
    }
    const centre = Math.round(sum / taken);
    let spread = 0;
    for (let index = 0; index < count; index++) spread += Math.abs((values[index] as number) - centre);
    this.centre = centre;
    return 3 + varintLength(zigzag(centre)) + this.#riceBytes(spread);
  }

  /** Bytes of Rice codes of the steps around the drift, roughly. */
  riceStepBytes(values: Float64Array): number {
    if (!this.stepsFit) return Number.POSITIVE_INFINITY;
    const { count, drift } = this;
    let spread = drift === 0 ? this.#steps : 0;
    if (drift !== 0) {
      for (let index = 1; index < count; index++) {
        spread += Math.abs((values[index] as number) - (values[index - 1] as number) - drift);
      }
    }
    return 3 + varintLength(zigzag(this.first)) + varintLength(zigzag(drift)) + this.#riceBytes(spread);
  }

  /** Bytes of Rice codes of how the steps change, roughly. */
  get riceBendBytes(): number {
    if (!this.stepsFit) return Number.POSITIVE_INFINITY;
    return 5 + varintLength(zigzag(this.first)) + this.#riceBytes(this.#bends);
  }

  /** Bytes of runs of equal values, roughly, when a value takes `valueBits`. */
  runBytes(valueBits: number): number {
    if (2 * this.changes >= this.count) return Number.POSITIVE_INFINITY;
    return 6 + (this.changes * (valueBits + riceBits(this.count / this.changes))) / 8;
  }

  /** @param spread sum of the distances; zigzag doubles them */
  #riceBytes(spread: number): number {
    return (this.count * riceBits((2 * spread) / this.count)) / 8;
  }
}
