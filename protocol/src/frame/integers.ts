import { bitWidth } from './bytes.ts';

/** Whole numbers the integer columns carry: sums and differences of two stay exact. */
export const MAX_WHOLE = 2 ** 51;

/** Steps that spread wider than this are not packed as steps: their sums could lose a bit. */
export const MAX_STEP_RANGE = 2 ** 50;

/** Bits of a step when steps spread over `range`; more than any value needs where steps are not packed. */
export function stepWidth(range: number): number {
  return range < MAX_STEP_RANGE ? bitWidth(range) : 64;
}

/** What is packed: the values, their steps, or the change of their steps. Bits 6–7 of a column's first byte. */
export const Transform = { none: 0, delta: 1, bend: 2 } as const;
export type Transform = (typeof Transform)[keyof typeof Transform];

/** Bits 0–5 of the first byte: a bit width 0 … 53, or this for Rice codes. */
export const RICE = 62;
export const MAX_WIDTH = 53;

/** Bits 6–7 both set: the column is made of two others, named by bits 0–5. */
export const COMPOSITE = 0xc0;
export const Composite = { runs: 0, dictionary: 1 } as const;
export type Composite = (typeof Composite)[keyof typeof Composite];

const INT32_MAX = 0x7fff_ffff;

/** The largest whole number that divides all of `count` others, which are ≥ 0; 1 when there is none to gain. */
export function commonUnit(values: Float64Array, count: number): number {
  let unit = 0;
  for (let index = 0; index < count && unit !== 1; index++) {
    const value = values[index] as number;
    if (unit > 0 && unit <= INT32_MAX && value <= INT32_MAX && (value | 0) % (unit | 0) === 0) continue;
    for (let rest = value; rest !== 0; ) {
      const next = unit % rest;
      unit = rest;
      rest = next;
    }
  }
  return unit === 0 ? 1 : unit;
}

export function growFloat64(
  array: Float64Array<ArrayBuffer>,
  atLeast: number,
  keep: number,
): Float64Array<ArrayBuffer> {
  if (array.length >= atLeast) return array;
  const grown = new Float64Array(Math.max(atLeast, 2 * array.length));
  grown.set(array.subarray(0, keep));
  return grown;
}

export function growInt32(
  array: Int32Array<ArrayBuffer>,
  atLeast: number,
  keep: number,
): Int32Array<ArrayBuffer> {
  if (array.length >= atLeast) return array;
  const grown = new Int32Array(Math.max(atLeast, 2 * array.length));
  grown.set(array.subarray(0, keep));
  return grown;
}

export function growUint8(
  array: Uint8Array<ArrayBuffer>,
  atLeast: number,
  keep: number,
): Uint8Array<ArrayBuffer> {
  if (array.length >= atLeast) return array;
  const grown = new Uint8Array(Math.max(atLeast, 2 * array.length));
  grown.set(array.subarray(0, keep));
  return grown;
}
