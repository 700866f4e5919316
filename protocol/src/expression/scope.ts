import { QUALITIES, type Quality, type QualityByte, qualityOf, reasonOf } from '../samples/quality.ts';
import type { Value } from '../samples/value.ts';
import type { ExpressionType } from './environment.ts';

/** Where an expression finds its inputs, by their position among the names it was compiled with. */
export interface ExpressionInputs {
  /** The newest value; null = none, whatever the quality says. */
  value(input: number): Value;
  quality(input: number): QualityByte;
  /** Milliseconds since the newest value was measured. */
  ageMs(input: number): number;
}

/** Thrown while an expression runs, when it needs a value that cannot be trusted. */
export class InputUnusable extends Error {}

/** The variables of one expression. What it read last is noted, so that its result is as good as its worst input. */
export class Scope {
  /** What CEL reads: one property per input, and `quality` and `age`, each with one per input. */
  readonly variables: Readonly<Record<string, unknown>>;
  #inputs: ExpressionInputs | undefined;
  #worst: Quality = 'good';

  constructor(inputs: Readonly<Record<string, ExpressionType>>) {
    const values: PropertyDescriptorMap = {};
    const qualities: PropertyDescriptorMap = {};
    const ages: PropertyDescriptorMap = {};
    for (const [at, [name, type]] of Object.entries(inputs).entries()) {
      values[name] = { enumerable: true, get: () => this.#value(name, at, type) };
      qualities[name] = { enumerable: true, get: () => qualityOf(this.#now().quality(at)) };
      ages[name] = { enumerable: true, get: () => this.#now().ageMs(at) / 1000 };
    }
    this.variables = Object.defineProperties(
      { quality: Object.defineProperties({}, qualities), age: Object.defineProperties({}, ages) },
      values,
    );
  }

  /** The quality of the worst input whose value was read since `begin`. */
  get worst(): Quality {
    return this.#worst;
  }

  begin(inputs: ExpressionInputs): void {
    this.#inputs = inputs;
    this.#worst = 'good';
  }

  #now(): ExpressionInputs {
    if (this.#inputs === undefined) throw new InputUnusable('nothing was handed in');
    return this.#inputs;
  }

  #value(name: string, at: number, type: ExpressionType): Value {
    const inputs = this.#now();
    const byte = inputs.quality(at);
    const quality = qualityOf(byte);
    const value = inputs.value(at);
    if (quality === 'bad' || value === null) {
      const reason = reasonOf(byte);
      throw new InputUnusable(reason === 'none' ? `${name} has no value` : `${name} is bad: ${reason}`);
    }
    const fitting = asType(value, type);
    if (fitting === undefined) throw new InputUnusable(`${name} is not a ${type}`);
    if (QUALITIES.indexOf(quality) > QUALITIES.indexOf(this.#worst)) this.#worst = quality;
    return fitting;
  }
}

function asType(value: Exclude<Value, null>, type: ExpressionType): Value | undefined {
  if (type === 'number') {
    if (typeof value === 'bigint') return Number(value);
    return typeof value === 'number' ? value : undefined;
  }
  return typeof value === (type === 'bool' ? 'boolean' : 'string') ? value : undefined;
}
