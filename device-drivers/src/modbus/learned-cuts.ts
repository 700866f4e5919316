import { z } from 'zod';
import type { Table } from './plan.ts';

/** More than a device can need; a file that says more is damaged. */
const MAX_CUTS = 1000;

/** As it is kept: table, address, and whether reading across it was tried by itself. */
export const CutList = z
  .array(z.tuple([z.enum(['holding', 'input', 'coil', 'discrete']), z.int().min(0).max(65_535), z.boolean()]))
  .max(MAX_CUTS);
export type CutList = z.infer<typeof CutList>;

/**
 * Where a device's address space must not be read across, because it refused a request that did. A cut is proven when
 * both its sides were answered and the whole was refused; others are leftovers of the search and are tried again once.
 */
export class LearnedCuts {
  readonly #cuts = new Map<string, { readonly table: Table; readonly at: number; isProven: boolean }>();

  constructor(list: CutList = []) {
    for (const [table, at, isProven] of list) this.#cuts.set(keyOf(table, at), { table, at, isProven });
  }

  has(table: Table, at: number): boolean {
    return this.#cuts.has(keyOf(table, at));
  }

  /** @returns whether that is news; false also when there is no more room */
  add(table: Table, at: number): boolean {
    if (this.has(table, at) || this.#cuts.size >= MAX_CUTS) return false;
    this.#cuts.set(keyOf(table, at), { table, at, isProven: false });
    return true;
  }

  prove(table: Table, at: number): void {
    const cut = this.#cuts.get(keyOf(table, at));
    if (cut !== undefined) cut.isProven = true;
  }

  drop(table: Table, at: number): void {
    this.#cuts.delete(keyOf(table, at));
  }

  get hasDoubts(): boolean {
    for (const { isProven } of this.#cuts.values()) if (!isProven) return true;
    return false;
  }

  isDoubtful(table: Table, at: number): boolean {
    return this.#cuts.get(keyOf(table, at))?.isProven === false;
  }

  list(): CutList {
    return [...this.#cuts.values()].map(({ table, at, isProven }) => [table, at, isProven]);
  }
}

function keyOf(table: Table, at: number): string {
  return `${table}:${at}`;
}
