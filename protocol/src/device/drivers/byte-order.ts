import { z } from 'zod';

/** The orders that mean something for every width: which byte of a value comes first on the wire. */
export const COMMON_ORDERS = ['ABCD', 'CDAB', 'BADC', 'DCBA'] as const;

const LETTERS = 'ABCDEFGH';

/**
 * The order of a value's bytes on the wire; A is the most significant. `ABCD`, `CDAB`, `BADC` and `DCBA` stand for the
 * same habit at every width (`CDAB` = lower registers first, `BADC` = bytes swapped within each register); any other
 * order is spelt with as many letters as the value has bytes.
 */
export const ByteOrder = z
  .string()
  .refine(
    (text) => [2, 4, 8].includes(text.length) && [...text].sort().join('') === LETTERS.slice(0, text.length),
    'must name each byte once, from "A", the most significant: such as "ABCD", "CDAB" or "HGFEDCBA"',
  );

/**
 * For each byte on the wire, its place in the big-endian value.
 * @param sizeBytes 2, 4 or 8
 * @returns undefined when the order is not one for this size
 */
export function wirePlaces(order: string, sizeBytes: number): readonly number[] | undefined {
  if (isCommon(order)) {
    const swapsBytes = order === 'BADC' || order === 'DCBA';
    const swapsWords = order === 'CDAB' || order === 'DCBA';
    return Array.from({ length: sizeBytes }, (_, at) => {
      const word = swapsWords ? sizeBytes / 2 - 1 - (at >> 1) : at >> 1;
      return 2 * word + (swapsBytes ? 1 - (at & 1) : at & 1);
    });
  }
  return order.length === sizeBytes ? [...order].map((letter) => LETTERS.indexOf(letter)) : undefined;
}

/** Whether the two bytes of each register are swapped. Texts know no other order. */
export function swapsBytes(order: string): boolean {
  return order === 'BA' || order === 'BADC' || order === 'DCBA';
}

function isCommon(order: string): boolean {
  return COMMON_ORDERS.some((common) => common === order);
}
