import { packFixed, packRice } from './bit-pack.ts';
import { type ByteWriter, zigzag } from './bytes.ts';
import { IntegerDictionary } from './integer-dictionary.ts';
import { IntegerStats } from './integer-stats.ts';
import { COMPOSITE, Composite, growFloat64, RICE, Transform } from './integers.ts';

/** Below this many values a dictionary or runs cannot win. */
const COMPOSITE_FROM = 12;
/** Below this many the packed form is as good as any. */
const CHOOSE_FROM = 8;

const Form = { fixed: 0, rice: 1, riceSteps: 2, riceBends: 3, runs: 4, dictionary: 5 } as const;
type Form = (typeof Form)[keyof typeof Form];

/**
 * Writes columns of whole numbers in whichever of the layout's forms is smallest. Keeps its scratch space
 * between columns, so one encoder serves all frames of a writer.
 */
export class IntegerEncoder {
  readonly #stats = new IntegerStats();
  #residuals = new Float64Array(64);
  #heads = new Float64Array(64);
  #tails = new Float64Array(64);
  /** Made when first needed: its tables are larger than a small frame. */
  #dictionary: IntegerDictionary | undefined;

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
    const stats = this.#stats;
    stats.measure(values, count);
    if (stats.isConstant) {
      header(out, Transform.none, 0, stats.low);
      return;
    }
    if (stats.isLine) {
      header(out, Transform.delta, 0, stats.first);
      out.signed(stats.stepLow);
      return;
    }
    const fixed = Math.min(stats.plainBytes, stats.stepBytes);
    const form = count < CHOOSE_FROM || fixed <= 8 ? Form.fixed : this.#choose(values, fixed, mayCompose);
    if (form !== Form.fixed) {
      const start = out.length;
      this.#write(out, form, values, count);
      // The form was chosen by estimate; what the writer promised its caller rests on the fixed one.
      if (out.length - start <= fixed) return;
      out.length = start;
      stats.measure(values, count);
    }
    if (stats.plainBytes <= stats.stepBytes) this.#fixed(out, values, count);
    else this.#fixedSteps(out, values, count);
  }

  #choose(values: Float64Array, fixed: number, mayCompose: boolean): Form {
    const stats = this.#stats;
    let form: Form = Form.fixed;
    let best = fixed;
    const offer = (candidate: Form, bytes: number) => {
      if (bytes >= best) return;
      best = bytes;
      form = candidate;
    };
    offer(Form.rice, stats.riceBytes(values));
    offer(Form.riceSteps, stats.riceStepBytes(values));
    offer(Form.riceBends, stats.riceBendBytes);
    if (mayCompose) {
      offer(Form.runs, stats.runBytes(Math.min((8 * best) / stats.count, stats.valueWidth)));
      this.#dictionary ??= new IntegerDictionary();
      offer(Form.dictionary, this.#dictionary.analyse(values, stats.count));
    }
    return form;
  }

  #write(out: ByteWriter, form: Form, values: Float64Array, count: number): void {
    const { centre, drift, changes } = this.#stats;
    switch (form) {
      case Form.rice:
        this.#riceAround(out, values, count, centre);
        return;
      case Form.riceSteps:
        this.#riceOfSteps(out, values, count, drift);
        return;
      case Form.riceBends:
        this.#riceOfBends(out, values, count);
        return;
      case Form.runs:
        this.#runs(out, values, count, changes);
        return;
      case Form.dictionary:
        if (this.#dictionary !== undefined) this.#dictionaryOf(out, this.#dictionary, count);
        return;
      default:
    }
  }

  #fixed(out: ByteWriter, values: Float64Array, count: number): void {
    const residuals = this.#residuals;
    const { low, valueWidth } = this.#stats;
    header(out, Transform.none, valueWidth, low);
    for (let index = 0; index < count; index++) residuals[index] = (values[index] as number) - low;
    packFixed(out, residuals, count, valueWidth);
  }

  #fixedSteps(out: ByteWriter, values: Float64Array, count: number): void {
    const residuals = this.#residuals;
    const { first, stepLow, stepWidth } = this.#stats;
    header(out, Transform.delta, stepWidth, first);
    out.signed(stepLow);
    for (let index = 1; index < count; index++) {
      residuals[index - 1] = (values[index] as number) - (values[index - 1] as number) - stepLow;
    }
    packFixed(out, residuals, count - 1, stepWidth);
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

  #dictionaryOf(out: ByteWriter, dictionary: IntegerDictionary, count: number): void {
    dictionary.write(this.#heads, this.#tails, count);
    out.byte(COMPOSITE | Composite.dictionary);
    out.varint(dictionary.size);
    this.#encode(out, this.#heads, dictionary.size, false);
    this.#encode(out, this.#tails, count, false);
  }
}

function header(out: ByteWriter, transform: Transform, width: number, base: number): void {
  out.byte((transform << 6) | width);
  out.signed(base);
}
