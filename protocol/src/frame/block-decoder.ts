import type { SampleBatch } from '../samples/batch.ts';
import { GOOD } from '../samples/quality.ts';
import { Kind } from '../samples/value.ts';
import { ByteReader, invalidFrame } from './bytes.ts';
import { IntegerDecoder } from './decode-integers.ts';
import { NumberDecoder } from './decode-numbers.ts';
import { MIXED, Qualities, TimeForm } from './layout.ts';

export interface Times {
  readonly tSourceMs: Float64Array;
  readonly tGatewayMs: Float64Array;
}

/** Reads timelines and point blocks of one frame. */
export class BlockDecoder {
  readonly #integers: IntegerDecoder;
  readonly #numbers: NumberDecoder;
  readonly #wholes: Float64Array;
  readonly #texts: () => readonly string[];

  /** @param deps.texts the frame's text table, read when first needed */
  constructor(deps: { readonly longest: number; readonly texts: () => readonly string[] }) {
    this.#texts = deps.texts;
    this.#integers = new IntegerDecoder(deps.longest);
    this.#numbers = new NumberDecoder({ integers: this.#integers, longest: deps.longest });
    this.#wholes = new Float64Array(deps.longest);
  }

  readTimes(bytes: Uint8Array, at: number, end: number, count: number, firstMs: number): Times {
    const reader = new ByteReader(bytes, at, end);
    const tSourceMs = new Float64Array(count);
    const tGatewayMs = new Float64Array(count);
    const form = reader.byte();
    if (form === TimeForm.whole) {
      this.#integers.decode(reader, tSourceMs, count);
      this.#integers.decode(reader, tGatewayMs, count);
      for (let index = 0; index < count; index++) {
        const ms = (tSourceMs[index] as number) + firstMs;
        tSourceMs[index] = ms;
        tGatewayMs[index] = (tGatewayMs[index] as number) + ms;
      }
    } else if (form === TimeForm.doubles) {
      this.#numbers.decodeWords(reader, new Int32Array(tSourceMs.buffer), 0, count);
      this.#numbers.decodeWords(reader, new Int32Array(tGatewayMs.buffer), 0, count);
    } else {
      throw invalidFrame(`timeline form ${form} is not known`);
    }
    reader.expectEnd();
    return { tSourceMs, tGatewayMs };
  }

  /** Fills kind, quality and value of `count` rows of `into`, from row `row`. */
  readBlock(bytes: Uint8Array, at: number, end: number, count: number, into: SampleBatch, row: number): void {
    const reader = new ByteReader(bytes, at, end);
    const first = reader.byte();
    const kind = first & 7;
    const qualities = first >> 3;
    if (qualities === Qualities.column) {
      this.#bytes(reader, into.quality, row, count);
    } else if (qualities === Qualities.good || qualities === Qualities.same) {
      into.quality.fill(qualities === Qualities.good ? GOOD : reader.byte(), row, row + count);
    } else {
      throw invalidFrame(`block form ${first} is not known`);
    }
    if (kind === MIXED) {
      this.#mixed(reader, into, row, count);
    } else {
      into.kind.fill(kind, row, row + count);
      this.#values(reader, kind, into, row, count);
    }
    reader.expectEnd();
  }

  #mixed(reader: ByteReader, into: SampleBatch, row: number, count: number): void {
    this.#bytes(reader, into.kind, row, count);
    // The columns lie one kind after the other: each is read into free rows, then spread from its end.
    const rows = new Int32Array(count);
    const values = new Float64Array(count);
    const words = new Int32Array(values.buffer);
    for (let kind = Kind.null; kind <= Kind.text; kind++) {
      let found = 0;
      for (let at = row; at < row + count; at++) if (into.kind[at] === kind) rows[found++] = at;
      if (kind === Kind.null || found === 0) {
        for (let index = 0; index < found; index++) into.value[rows[index] as number] = 0;
        continue;
      }
      this.#column(reader, kind, values, words, 0, found);
      for (let index = 0; index < found; index++) {
        const at = rows[index] as number;
        if (kind === Kind.text) into.value[at] = into.strings.push(this.#text(values[index] as number)) - 1;
        else {
          into.words[2 * at] = words[2 * index] as number;
          into.words[2 * at + 1] = words[2 * index + 1] as number;
        }
      }
    }
    for (let at = row; at < row + count; at++) {
      if ((into.kind[at] as number) > Kind.text)
        throw invalidFrame(`value kind ${into.kind[at]} is not known`);
    }
  }

  #values(reader: ByteReader, kind: number, into: SampleBatch, row: number, count: number): void {
    if (kind === Kind.null) {
      into.value.fill(0, row, row + count);
      return;
    }
    this.#column(reader, kind, into.value, into.words, row, count);
    if (kind !== Kind.text) return;
    for (let at = row; at < row + count; at++) {
      into.value[at] = into.strings.push(this.#text(into.value[at] as number)) - 1;
    }
  }

  #column(
    reader: ByteReader,
    kind: number,
    values: Float64Array,
    words: Int32Array,
    at: number,
    count: number,
  ): void {
    switch (kind) {
      case Kind.float64:
        this.#numbers.decodeDoubles(reader, values, words, at, count);
        return;
      case Kind.int64:
      case Kind.uint64:
        this.#numbers.decodeWholes(reader, words, at, count);
        return;
      case Kind.bool:
      case Kind.text: {
        const wholes = this.#wholes;
        this.#integers.decode(reader, wholes, count);
        for (let index = 0; index < count; index++) {
          const whole = wholes[index] as number;
          if (kind === Kind.bool && whole !== 0 && whole !== 1)
            throw invalidFrame('a boolean is neither 0 nor 1');
          values[at + index] = whole;
        }
        return;
      }
      default:
        throw invalidFrame(`value kind ${kind} is not known`);
    }
  }

  #text(index: number): string {
    const text = this.#texts()[index];
    if (text === undefined) throw invalidFrame('a sample refers to a text that is not there');
    return text;
  }

  #bytes(reader: ByteReader, into: Uint8Array, row: number, count: number): void {
    const wholes = this.#wholes;
    this.#integers.decode(reader, wholes, count);
    for (let index = 0; index < count; index++) {
      const whole = wholes[index] as number;
      if (!(whole >= 0 && whole <= 255)) throw invalidFrame('a quality or kind of the frame is no byte');
      into[row + index] = whole;
    }
  }
}
