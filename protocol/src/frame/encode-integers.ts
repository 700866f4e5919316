import { fixedBytes, packFixed, packRice, riceBits } from './bit-pack.ts';
import { type ByteWriter, bitWidth, varintLength, zigzag } from './bytes.ts';
import { IntegerDictionary } from './integer-dictionary.ts';
import { COMPOSITE, Composite, growFloat64, MAX_STEP_RANGE, RICE, Transform } from './integers.ts';

/** Below this many values a dictionary or runs cannot win. */
const COMPOSITE_FROM = 12;

/**
 * Writes columns of whole numbers in whichever of the layout's forms is smallest. Keeps its scratch space
 * between columns, so one encoder serves all frames of a writer.
 */
export class IntegerEncoder {
  #residuals = new Float64Array(64);
  #heads = new Float64Array(64);
  #tails = new Float64Array(64);
  readonly #dictionary = new IntegerDictionary();

  /**
   * @param values `count` whole numbers within ±2^51, from index 0
   */
  encode(out: ByteWriter, values: Float64Array, count: number): void {
    if (count === 0) return;
    if (count > this.#residuals.length) {
      this.#residuals = growFloat64(this.#residuals, count, 0);
      this.#heads = growFloat64(this.#heads, count, 0);
      this.#tails = growFloat64(this.#tails, count, 0);
    }
    this.#encode(out, values, count, count >= COMPOSITE_FROM);
  }

  #encode(out: ByteWriter, values: Float64Array, count: number, mayCompose: boolean): void {
    const first = values[0] as number;
    let low = first;
    let high = first;
    let stepLow = Number.POSITIVE_INFINITY;
    let stepHigh = Number.NEGATIVE_INFINITY;
    let steps = 0;
    let bend = 0;
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
      bend += Math.abs(step - previousStep);
      previous = value;
      previousStep = step;
    }
    if (low === high) {
      header(out, Transform.none, 0, low);
      return;
    }
    if (stepLow === stepHigh) {
      header(out, Transform.delta, 0, first);
      out.signed(stepLow);
      return;
    }

    const valueWidth = bitWidth(high - low);
    const stepsFit = stepHigh - stepLow < MAX_STEP_RANGE;
    const deltaWidth = bitWidth(stepHigh - stepLow);
    const plainBytes = 1 + varintLength(zigzag(low)) + fixedBytes(count, valueWidth);
    const deltaBytes = stepsFit
      ? 1 + varintLength(zigzag(first)) + varintLength(zigzag(stepLow)) + fixedBytes(count - 1, deltaWidth)
      : Number.POSITIVE_INFINITY;
    const fixed = Math.min(plainBytes, deltaBytes);
    const drift = Math.round((previous - first) / (count - 1));
    let best = fixed;
    let form: 'fixed' | 'rice' | 'rice-delta' | 'rice-bend' | 'runs' | 'dictionary' = 'fixed';

    if (count >= 8 && fixed > 8) {
      const centre = this.#centre(values, count);
      let spread = 0;
      let stepSpread = 0;
      for (let index = 0; index < count; index++) spread += Math.abs((values[index] as number) - centre);
      if (drift === 0) stepSpread = steps;
      else {
        for (let index = 1; index < count; index++) {
          stepSpread += Math.abs((values[index] as number) - (values[index - 1] as number) - drift);
        }
      }
      const rice = 3 + varintLength(zigzag(centre)) + (count * riceBits((2 * spread) / count)) / 8;
      const riceDelta =
        3 +
        varintLength(zigzag(first)) +
        varintLength(zigzag(drift)) +
        (count * riceBits((2 * stepSpread) / count)) / 8;
      const riceBend = 5 + varintLength(zigzag(first)) + (count * riceBits((2 * bend) / count)) / 8;
      if (rice < best) {
        best = rice;
        form = 'rice';
      }
      if (stepsFit && riceDelta < best) {
        best = riceDelta;
        form = 'rice-delta';
      }
      if (stepsFit && riceBend < best) {
        best = riceBend;
        form = 'rice-bend';
      }
      if (mayCompose) {
        if (2 * changes < count) {
          const runs =
            6 + (changes * (Math.min((8 * best) / count, valueWidth) + riceBits(count / changes))) / 8;
          if (runs < best) {
            best = runs;
            form = 'runs';
          }
        }
        if (this.#dictionary.analyse(values, count) < best) form = 'dictionary';
      }
      const start = out.length;
      if (form === 'rice') this.#riceAround(out, values, count, centre);
      else if (form === 'rice-delta') this.#riceOfSteps(out, values, count, drift);
      else if (form === 'rice-bend') this.#riceOfBends(out, values, count);
      else if (form === 'runs') this.#runs(out, values, count, changes);
      else if (form === 'dictionary') this.#dictionaryOf(out, count);
      // The forms above are chosen by estimate; what the writer promised its caller rests on the fixed one.
      if (form !== 'fixed') {
        if (out.length - start <= fixed) return;
        out.length = start;
      }
    }
    const residuals = this.#residuals;
    if (plainBytes <= deltaBytes) {
      header(out, Transform.none, valueWidth, low);
      for (let index = 0; index < count; index++) residuals[index] = (values[index] as number) - low;
      packFixed(out, residuals, count, valueWidth);
    } else {
      header(out, Transform.delta, deltaWidth, first);
      out.signed(stepLow);
      for (let index = 1; index < count; index++) {
        residuals[index - 1] = (values[index] as number) - (values[index - 1] as number) - stepLow;
      }
      packFixed(out, residuals, count - 1, deltaWidth);
    }
  }

  /** The mean of a sample: near enough to the middle. */
  #centre(values: Float64Array, count: number): number {
    const stride = Math.max(1, count >> 6);
    let sum = 0;
    let taken = 0;
    for (let index = 0; index < count; index += stride) {
      sum += values[index] as number;
      taken++;
    }
    return Math.round(sum / taken);
  }

  #riceAround(out: ByteWriter, values: Float64Array, count: number, centre: number): void {
    const residuals = this.#residuals;
    header(out, Transform.none, RICE, centre);
    for (let index = 0; index < count; index++) residuals[index] = zigzag((values[index] as number) - centre);
    packRice(out, residuals, count);
  }

  #riceOfSteps(out: ByteWriter, values: Float64Array, count: number, drift: number): void {
    const residuals = this.#residuals;
    header(out, Transform.delta, RICE, values[0] as number);
    out.signed(drift);
    for (let index = 1; index < count; index++) {
      residuals[index - 1] = zigzag((values[index] as number) - (values[index - 1] as number) - drift);
    }
    packRice(out, residuals, count - 1);
  }

  #riceOfBends(out: ByteWriter, values: Float64Array, count: number): void {
    const residuals = this.#residuals;
    const firstStep = (values[1] as number) - (values[0] as number);
    header(out, Transform.bend, RICE, values[0] as number);
    out.signed(firstStep);
    let previousStep = firstStep;
    for (let index = 2; index < count; index++) {
      const step = (values[index] as number) - (values[index - 1] as number);
      residuals[index - 2] = zigzag(step - previousStep);
      previousStep = step;
    }
    packRice(out, residuals, count - 2);
  }

  #runs(out: ByteWriter, values: Float64Array, count: number, runs: number): void {
    const heads = this.#heads;
    const tails = this.#tails;
    let run = 0;
    let from = 0;
    for (let index = 1; index <= count; index++) {
      if (index < count && values[index] === values[index - 1]) continue;
      heads[run] = values[from] as number;
      tails[run++] = index - from - 1;
      from = index;
    }
    out.byte(COMPOSITE | Composite.runs);
    out.varint(runs);
    this.#encode(out, heads, runs, false);
    this.#encode(out, tails, runs, false);
  }

  #dictionaryOf(out: ByteWriter, count: number): void {
    this.#dictionary.write(this.#heads, this.#tails, count);
    out.byte(COMPOSITE | Composite.dictionary);
    out.varint(this.#dictionary.size);
    this.#encode(out, this.#heads, this.#dictionary.size, false);
    this.#encode(out, this.#tails, count, false);
  }
}

function header(out: ByteWriter, transform: Transform, width: number, base: number): void {
  out.byte((transform << 6) | width);
  out.signed(base);
}
