import { InvalidInputError } from '@millwright/protocol';
import { z } from 'zod';

/** Where a page of newest-first entries ended. */
const Place = z.tuple([z.number(), z.number(), z.number(), z.number()]);
export type Place = z.infer<typeof Place>;

export function formatCursor(place: Place): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** @throws InvalidInputError `CURSOR_INVALID` */
export function parseCursor(text: string): Place {
  try {
    return Place.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
  } catch (cause) {
    throw new InvalidInputError('CURSOR_INVALID', `cursor: "${text}" is not the "next" of a page`, { cause });
  }
}

/** One more row than asked for was read: it says whether there is a next page. */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  item: (row: Row) => Item,
  cursor: (row: Row) => string,
): { items: Item[]; next: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(item),
    next: rows.length > limit && last !== undefined ? cursor(last) : null,
  };
}
