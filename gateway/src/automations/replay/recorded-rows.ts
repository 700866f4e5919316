import {
  GOOD,
  InvalidInputError,
  LimitError,
  PointNo,
  qualityByte,
  REASONS,
  SampleBatch,
  type Value,
} from '@millwright/protocol';
import type { RuleInput } from '@millwright/protocol/automation';
import type { History } from './replay.ts';

const MAX_ROWS = 5_000_000;
const BATCH_ROWS = 4096;

/** Samples of a rule's inputs gathered from several places, put in order at the end. */
export class RecordedRows {
  readonly #inputs: readonly RuleInput[];
  readonly #atMs: number[] = [];
  readonly #input: number[] = [];
  readonly #value: Value[] = [];
  readonly #quality: number[] = [];

  constructor(inputs: readonly RuleInput[]) {
    this.#inputs = inputs;
  }

  get size(): number {
    return this.#atMs.length;
  }

  /** @throws LimitError `RECORDING_TOO_LARGE` */
  add(
    input: number,
    atMs: number,
    value: Value,
    quality: 'good' | 'uncertain' | 'bad' = 'good',
    why?: string,
  ): void {
    if (this.#atMs.length >= MAX_ROWS) {
      throw new LimitError('RECORDING_TOO_LARGE', `there are more than ${MAX_ROWS} samples to replay`, {
        hint: 'narrow it with --from and --to',
      });
    }
    const reason = REASONS.find((each) => each === why) ?? 'none';
    this.#atMs.push(atMs);
    this.#input.push(input);
    this.#value.push(value);
    this.#quality.push(quality === 'good' ? GOOD : qualityByte(quality, reason));
  }

  /** Adds a value written as text; an empty one is none, one that is not what the rule takes it for is bad. */
  addText(input: number, atMs: number, text: string): void {
    if (text === '') return;
    const value = readingOf(text, this.#inputs[input]?.as ?? 'number');
    if (value === null) this.#addUnreadable(input, atMs);
    else this.add(input, atMs, value);
  }

  /** @throws InvalidInputError `RECORDING_EMPTY` */
  toHistory(): History & { readonly firstMs: number; readonly lastMs: number } {
    const order = Array.from(this.#atMs.keys());
    order.sort((a, b) => (this.#atMs[a] as number) - (this.#atMs[b] as number));
    const [first] = order;
    const last = order.at(-1);
    if (first === undefined || last === undefined) {
      throw new InvalidInputError('RECORDING_EMPTY', "there is no sample of the rule's inputs in this time");
    }
    return {
      firstMs: this.#atMs[first] as number,
      lastMs: this.#atMs[last] as number,
      numbers: this.#inputs.map((_, at) => [PointNo.parse(at)]),
      batches: () => this.#batches(order),
    };
  }

  *#batches(order: readonly number[]): Generator<SampleBatch> {
    const batch = new SampleBatch(BATCH_ROWS);
    for (const row of order) {
      if (batch.isFull) {
        yield batch;
        batch.clear();
      }
      const atMs = this.#atMs[row] as number;
      const no = PointNo.parse(this.#input[row]);
      batch.push(no, atMs, atMs, this.#value[row] ?? null, this.#quality[row]);
    }
    yield batch;
  }

  #addUnreadable(input: number, atMs: number): void {
    this.add(input, atMs, null, 'bad', 'decode-error');
  }
}

function readingOf(text: string, as: RuleInput['as']): Value {
  if (as === 'text') return text;
  if (as === 'bool')
    return /^(true|1(\.0*)?|on)$/i.test(text) ? true : /^(false|0(\.0*)?|off)$/i.test(text) ? false : null;
  const number = Number(text);
  return Number.isFinite(number) ? number : null;
}
