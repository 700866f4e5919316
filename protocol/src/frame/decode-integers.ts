import { unpackFixed, unpackRice } from './bit-pack.ts';
import { type ByteReader, invalidFrame, unzigzag } from './bytes.ts';
import { COMPOSITE, Composite, growFloat64, MAX_WIDTH, RICE, Transform } from './integers.ts';

/** Reads columns of whole numbers; keeps its scratch space between columns. */
export class IntegerDecoder {
  #heads = new Float64Array(0);
  #tails = new Float64Array(0);

  /**
   * Reads `count` values into `into`, from index 0; what it reads of damaged bytes may be any number.
   * @throws InvalidInputError `FRAME_INVALID`
   */
  decode(from: ByteReader, into: Float64Array, count: number): void {
    if (count === 0) return;
    const first = from.byte();
    if (first < COMPOSITE) decodeSimple(from, first, into, count);
    else if (first === (COMPOSITE | Composite.runs)) this.#runs(from, into, count);
    else if (first === (COMPOSITE | Composite.dictionary)) this.#dictionary(from, into, count);
    else throw invalidFrame(`column form ${first} is not known`);
  }

  #part(from: ByteReader, into: Float64Array, count: number): void {
    const first = from.byte();
    if (first >= COMPOSITE) throw invalidFrame('a composite column is made of composite columns');
    decodeSimple(from, first, into, count);
  }

  #runs(from: ByteReader, into: Float64Array, count: number): void {
    const runs = from.varint();
    if (runs < 1 || runs > count) throw invalidFrame('a column has more runs than values');
    this.#heads = growFloat64(this.#heads, runs, 0);
    this.#tails = growFloat64(this.#tails, runs, 0);
    this.#part(from, this.#heads, runs);
    this.#part(from, this.#tails, runs);
    let at = 0;
    for (let run = 0; run < runs; run++) {
      const to = at + 1 + (this.#tails[run] as number);
      if (!(to > at && to <= count)) throw invalidFrame('the runs of a column do not add up to its length');
      into.fill(this.#heads[run] as number, at, to);
      at = to;
    }
    if (at !== count) throw invalidFrame('the runs of a column do not add up to its length');
  }

  #dictionary(from: ByteReader, into: Float64Array, count: number): void {
    const size = from.varint();
    if (size < 1 || size > count) throw invalidFrame('a dictionary has more entries than the column values');
    this.#heads = growFloat64(this.#heads, size, 0);
    this.#part(from, this.#heads, size);
    this.#part(from, into, count);
    const entries = this.#heads;
    for (let index = 0; index < count; index++) {
      const entry = into[index] as number;
      if (!(entry >= 0 && entry < size))
        throw invalidFrame('a column names a dictionary entry that is not there');
      into[index] = entries[entry] as number;
    }
  }
}

function decodeSimple(from: ByteReader, form: number, into: Float64Array, count: number): void {
  const transform = form >> 6;
  const width = form & 63;
  const base = from.signed();
  const step = transform === Transform.none ? 0 : from.signed();
  const packed = count - transform;
  if (width === RICE) {
    if (packed > 0) {
      unpackRice(from, into, packed);
      for (let index = 0; index < packed; index++) into[index] = unzigzag(into[index] as number);
    }
  } else if (width > MAX_WIDTH) {
    throw invalidFrame(`column form ${form} is not known`);
  } else if (packed > 0) {
    unpackFixed(from, into, packed, width);
  }
  if (transform === Transform.none) {
    for (let index = 0; index < count; index++) into[index] = (into[index] as number) + base;
  } else if (transform === Transform.delta) {
    sumSteps(into, count, base, step);
  } else {
    sumBends(into, count, base, step);
  }
}

/** Turns `count − 1` residuals at 0 … into `count` values, in place. */
function sumSteps(into: Float64Array, count: number, base: number, step: number): void {
  into.copyWithin(1, 0, count - 1);
  let value = base;
  into[0] = value;
  for (let index = 1; index < count; index++) {
    value += (into[index] as number) + step;
    into[index] = value;
  }
}

/** Turns `count − 2` residuals at 0 … into `count` values, in place. */
function sumBends(into: Float64Array, count: number, base: number, firstStep: number): void {
  into.copyWithin(2, 0, Math.max(0, count - 2));
  let value = base;
  let step = firstStep;
  into[0] = value;
  for (let index = 1; index < count; index++) {
    if (index > 1) step += into[index] as number;
    value += step;
    into[index] = value;
  }
}
