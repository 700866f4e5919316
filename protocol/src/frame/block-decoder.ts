import type { SampleBatch } from '../samples/batch.ts';
import { GOOD } from '../samples/quality.ts';
import { Kind } from '../samples/value.ts';
import { ByteReader, invalidFrame } from './bytes.ts';
import { type Cells, cells } from './cells.ts';
import { Scheme } from './decimals.ts';
import { IntegerDecoder } from './decode-integers.ts';
import { fillDoubles, fillWords, NumberDecoder } from './decode-numbers.ts';
import { growFloat64 } from './integers.ts';
import { MIXED, Qualities, TimeForm } from './layout.ts';
import type { SparseClass, SparseDirectory } from './sparse-directory.ts';

export interface Times {
  readonly tSourceMs: Float64Array;
  readonly tGatewayMs: Float64Array;
}

/** Reads timelines, point blocks and class columns of one frame. */
export class BlockDecoder {
  readonly #bytes: Uint8Array;
  readonly #texts: () => readonly string[];
  readonly #integers = new IntegerDecoder();
  readonly #numbers = new NumberDecoder({ integers: this.#integers });
  #wholes = new Float64Array(0);

  /** @param deps.texts the frame's text table, read when first needed */
  constructor(deps: { readonly bytes: Uint8Array; readonly texts: () => readonly string[] }) {
    this.#bytes = deps.bytes;
    this.#texts = deps.texts;
  }

  /** @param firstMs the timeline's first, from the directory */
  readTimes(at: number, end: number, count: number, firstMs: number): Times {
    const reader = new ByteReader(this.#bytes, at, end);
    const tSourceMs = new Float64Array(count);
    const tGatewayMs = new Float64Array(count);
    const form = reader.byte();
    if (form === TimeForm.whole) {
      const unit = reader.varint();
      this.#integers.decode(reader, tSourceMs, count);
      this.#integers.decode(reader, tGatewayMs, count);
      for (let index = 0; index < count; index++) {
        const ms = firstMs + (tSourceMs[index] as number) * unit;
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
  readBlock(at: number, end: number, count: number, into: SampleBatch, row: number): void {
    const reader = new ByteReader(this.#bytes, at, end);
    const first = reader.byte();
    const kind = first & 7;
    const qualities = first >> 3;
    if (qualities === Qualities.column) {
      this.#byteColumn(reader, into.quality, row, count);
    } else if (qualities === Qualities.good || qualities === Qualities.same) {
      into.quality.fill(qualities === Qualities.good ? GOOD : reader.byte(), row, row + count);
    } else {
      throw invalidFrame(`block form ${first} is not known`);
    }
    if (kind === MIXED) {
      this.#mixed(reader, into, row, count);
    } else {
      into.kind.fill(kind, row, row + count);
      this.#column(reader, kind, into, row, count);
      if (kind === Kind.text) for (let at = row; at < row + count; at++) this.#pushText(into, at);
    }
    reader.expectEnd();
  }

  /** All values of a class, point after point; a text as its number. */
  readClass(sparse: SparseDirectory, inClass: number): Cells {
    const facts = sparse.classes[inClass] as SparseClass;
    const { kind, form, points, samples } = facts;
    const reader = new ByteReader(this.#bytes, facts.offset, facts.end);
    const into = cells(samples);
    if (kind > Kind.text) throw invalidFrame(`value kind ${kind} is not known`);
    const isNumber = kind === Kind.float64 || kind === Kind.int64 || kind === Kind.uint64;
    if (isNumber && form === Scheme.words) {
      this.#numbers.decodeWords(reader, into.words, 0, samples);
    } else if (kind !== Kind.null) {
      const wholes = this.#firstsAndSteps(reader, sparse, inClass, points, samples);
      if (kind === Kind.float64) {
        fillDoubles(form, wholes, into.value, 0, samples);
        if ((form & 7) === Scheme.corrected) this.#numbers.decodeCorrections(reader, into.words, 0, samples);
      } else if (isNumber) {
        if (form !== Scheme.quotient) throw invalidFrame(`integer form ${form} is not known`);
        fillWords(wholes, into.words, 0, samples);
      } else {
        if (kind === Kind.bool) expectBooleans(wholes, samples);
        into.value.set(wholes.subarray(0, samples));
      }
    }
    reader.expectEnd();
    return into;
  }

  /** Fills kind, quality and value of a sparse point's rows from its class. */
  copySparse(
    sparse: SparseDirectory,
    point: number,
    values: Cells,
    count: number,
    into: SampleBatch,
    row: number,
  ): void {
    const { kind, quality } = sparse.classes[sparse.classOf[point] as number] as SparseClass;
    const from = sparse.valueFrom[point] as number;
    for (let index = 0; index < count; index++) {
      const at = row + index;
      into.kind[at] = kind;
      into.quality[at] = quality;
      into.words[2 * at] = values.words[2 * (from + index)] as number;
      into.words[2 * at + 1] = values.words[2 * (from + index) + 1] as number;
      if (kind === Kind.text) this.#pushText(into, at);
    }
  }

  #firstsAndSteps(
    reader: ByteReader,
    sparse: SparseDirectory,
    inClass: number,
    points: number,
    samples: number,
  ): Float64Array {
    const firsts = new Float64Array(points);
    const steps = new Float64Array(samples - points);
    this.#integers.decode(reader, firsts, points);
    this.#integers.decode(reader, steps, steps.length);
    this.#wholes = growFloat64(this.#wholes, samples, 0);
    const wholes = this.#wholes;
    let first = 0;
    let step = 0;
    let at = 0;
    for (let point = 0; point < sparse.pointNos.length; point++) {
      if (sparse.classOf[point] !== inClass) continue;
      let whole = firsts[first++] as number;
      const end = at + (sparse.countOf[point] as number);
      wholes[at++] = whole;
      while (at < end) {
        whole += steps[step++] as number;
        wholes[at++] = whole;
      }
    }
    return wholes;
  }

  #mixed(reader: ByteReader, into: SampleBatch, row: number, count: number): void {
    this.#byteColumn(reader, into.kind, row, count);
    const rows = new Int32Array(count);
    const column = cells(count);
    let read = 0;
    for (let kind: number = Kind.null; kind <= Kind.text; kind++) {
      let found = 0;
      for (let at = row; at < row + count; at++) if (into.kind[at] === kind) rows[found++] = at;
      read += found;
      if (kind === Kind.null) column.value.fill(0);
      else if (found > 0) this.#column(reader, kind, column, 0, found);
      for (let index = 0; index < found; index++) {
        const at = rows[index] as number;
        into.words[2 * at] = column.words[2 * index] as number;
        into.words[2 * at + 1] = column.words[2 * index + 1] as number;
        if (kind === Kind.text) this.#pushText(into, at);
      }
    }
    if (read !== count) throw invalidFrame('a value of the frame is of no known kind');
  }

  #column(reader: ByteReader, kind: number, into: Cells, at: number, count: number): void {
    switch (kind) {
      case Kind.null:
        into.value.fill(0, at, at + count);
        return;
      case Kind.float64:
        this.#numbers.decodeDoubles(reader, into, at, count);
        return;
      case Kind.int64:
      case Kind.uint64:
        this.#numbers.decodeWholes(reader, into.words, at, count);
        return;
      case Kind.bool:
      case Kind.text:
        this.#wholes = growFloat64(this.#wholes, count, 0);
        this.#integers.decode(reader, this.#wholes, count);
        if (kind === Kind.bool) expectBooleans(this.#wholes, count);
        for (let index = 0; index < count; index++) into.value[at + index] = this.#wholes[index] as number;
        return;
      default:
        throw invalidFrame(`value kind ${kind} is not known`);
    }
  }

  /** Replaces the number of a text by that of its place in the batch. */
  #pushText(into: SampleBatch, row: number): void {
    const text = this.#texts()[into.value[row] as number];
    if (text === undefined) throw invalidFrame('a sample refers to a text that is not there');
    into.value[row] = into.strings.push(text) - 1;
  }

  #byteColumn(reader: ByteReader, into: Uint8Array, row: number, count: number): void {
    this.#wholes = growFloat64(this.#wholes, count, 0);
    this.#integers.decode(reader, this.#wholes, count);
    for (let index = 0; index < count; index++) {
      const whole = this.#wholes[index] as number;
      if (!(whole >= 0 && whole <= 255)) throw invalidFrame('a quality or kind of the frame is no byte');
      into[row + index] = whole;
    }
  }
}

function expectBooleans(wholes: Float64Array, count: number): void {
  for (let index = 0; index < count; index++) {
    const whole = wholes[index];
    if (whole !== 0 && whole !== 1) throw invalidFrame('a boolean is neither 0 nor 1');
  }
}
