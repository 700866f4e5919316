import { GOOD } from '../samples/quality.ts';
import { Kind } from '../samples/value.ts';
import type { ByteWriter } from './bytes.ts';
import { type Cells, cells } from './cells.ts';
import { IntegerEncoder } from './encode-integers.ts';
import { NumberEncoder, Shape } from './encode-numbers.ts';
import { growFloat64 } from './integers.ts';
import { MIXED, Qualities } from './layout.ts';

/** The samples of one point, next to each other. */
export interface Column {
  readonly cells: Cells;
  readonly kinds: Uint8Array;
  readonly qualities: Uint8Array;
}

/** Writes the block of one point: qualities, kinds where they differ, and values. */
export class BlockEncoder {
  readonly integers = new IntegerEncoder();
  readonly #numbers = new NumberEncoder({ integers: this.integers });
  #wholes = new Float64Array(64);
  #picked = cells(64);

  encode(
    out: ByteWriter,
    column: Column,
    from: number,
    count: number,
    facts: {
      readonly kind: number;
      readonly shape: Shape;
      readonly exponent: number;
      readonly mixedQuality: boolean;
    },
  ): void {
    this.#wholes = growFloat64(this.#wholes, count, 0);
    const quality = column.qualities[from] as number;
    if (facts.mixedQuality) {
      out.byte(facts.kind | (Qualities.column << 3));
      this.#bytes(out, column.qualities, from, count);
    } else if (quality === GOOD) {
      out.byte(facts.kind | (Qualities.good << 3));
    } else {
      out.byte(facts.kind | (Qualities.same << 3));
      out.byte(quality);
    }
    if (facts.kind === MIXED) this.#mixed(out, column, from, count);
    else this.#values(out, column.cells, from, count, facts.kind, facts.shape, facts.exponent);
  }

  #mixed(out: ByteWriter, column: Column, from: number, count: number): void {
    this.#bytes(out, column.kinds, from, count);
    if (this.#picked.value.length < count) this.#picked = cells(2 * count);
    const picked = this.#picked;
    for (let kind: number = Kind.float64; kind <= Kind.text; kind++) {
      let rows = 0;
      for (let row = from; row < from + count; row++) {
        if (column.kinds[row] !== kind) continue;
        picked.words[2 * rows] = column.cells.words[2 * row] as number;
        picked.words[2 * rows + 1] = column.cells.words[2 * row + 1] as number;
        rows++;
      }
      if (rows > 0) this.#values(out, picked, 0, rows, kind, Shape.unknown, 0);
    }
  }

  #values(
    out: ByteWriter,
    source: Cells,
    from: number,
    count: number,
    kind: number,
    shape: Shape,
    exponent: number,
  ): void {
    switch (kind) {
      case Kind.float64:
        this.#numbers.encodeDoubles(out, source, from, count, shape, exponent);
        return;
      case Kind.int64:
      case Kind.uint64:
        this.#numbers.encodeWholes(out, source, from, count, kind === Kind.uint64);
        return;
      case Kind.bool:
      case Kind.text: {
        const wholes = this.#wholes;
        for (let index = 0; index < count; index++) wholes[index] = source.value[from + index] as number;
        this.integers.encode(out, wholes, count);
        return;
      }
      default:
    }
  }

  #bytes(out: ByteWriter, source: Uint8Array, from: number, count: number): void {
    const wholes = this.#wholes;
    for (let index = 0; index < count; index++) wholes[index] = source[from + index] as number;
    this.integers.encode(out, wholes, count);
  }
}
