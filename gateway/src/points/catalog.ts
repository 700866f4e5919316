import { CatalogEntry, type Logger, type PointNo, UnavailableError } from '@millwright/protocol';
import type { Kv, KvMutation } from '../journal/kv/kv.ts';
import type { CatalogSource } from '../uplink/ports.ts';

const PREFIX = 'catalog';
const READ_AT_ONCE = 500;
const WRITE_AT_ONCE = 500;

/** A catalogue line before it has a number. */
export type CatalogWish = Omit<CatalogEntry, 'no'>;

/**
 * Numbers for points, for ever: a number is on disk before it is handed out, and never means anything else.
 * What was described in exactly the same words before gets its old number back.
 *
 * The lines are kept in several stores, because a region refuses a gateway that gives old numbers a new
 * meaning: when one store was lost, the longest copy is written back to it.
 */
export class Catalog implements CatalogSource {
  readonly #logger: Logger;
  readonly #stores: readonly Kv[];
  readonly #entries: CatalogEntry[] = [];
  readonly #noByWords = new Map<string, PointNo>();
  readonly #listeners = new Set<() => void>();
  #writing: Promise<unknown> = Promise.resolve();

  constructor(deps: { readonly logger: Logger; readonly stores: readonly Kv[] }) {
    this.#logger = deps.logger;
    this.#stores = deps.stores;
  }

  /** Reads all copies and completes the shorter ones. @throws UnavailableError */
  async load(): Promise<void> {
    const copies = await Promise.all(this.#stores.map(readAll));
    const longest = copies.reduce((a, b) => (b.length > a.length ? b : a), []);
    for (const [at, copy] of copies.entries()) {
      const store = this.#stores[at];
      if (store === undefined || copy.length === longest.length) continue;
      if (copy.length > 0 || at > 0) {
        const fields = { has: copy.length, of: longest.length };
        this.#logger.warn(fields, 'a copy of the point catalogue was incomplete and is completed');
      }
      await writeAll(store, longest.slice(copy.length));
    }
    for (const entry of longest) this.#add(entry);
  }

  entries(): readonly CatalogEntry[] {
    return this.#entries;
  }

  entry(no: PointNo): CatalogEntry | undefined {
    return this.#entries[no];
  }

  onGrown(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * @returns one number per wish, in order; all on disk
   * @throws UnavailableError when new numbers cannot be written
   */
  numbers(wishes: readonly CatalogWish[]): Promise<PointNo[]> {
    const numbered = this.#writing.then(() => this.#numbers(wishes));
    this.#writing = numbered.catch(() => undefined);
    return numbered;
  }

  async #numbers(wishes: readonly CatalogWish[]): Promise<PointNo[]> {
    const added = new Map<string, CatalogEntry>();
    for (const wish of wishes) {
      const words = wordsOf(wish);
      if (this.#noByWords.has(words) || added.has(words)) continue;
      added.set(words, CatalogEntry.parse({ ...wish, no: this.#entries.length + added.size }));
    }
    if (added.size > 0) {
      for (const store of this.#stores) await writeAll(store, [...added.values()]);
      for (const entry of added.values()) this.#add(entry);
      for (const listener of this.#listeners) listener();
    }
    return wishes.map((wish) => this.#noByWords.get(wordsOf(wish)) as PointNo);
  }

  #add(entry: CatalogEntry): void {
    this.#entries.push(entry);
    this.#noByWords.set(wordsOf(entry), entry.no);
  }
}

/** Everything a line says except its number, in a fixed order. */
function wordsOf({ device, point, kind, unit, label, class: behaviour, writable }: CatalogWish): string {
  return JSON.stringify([device, point, kind, unit, label, behaviour, writable && [writable.range]]);
}

async function readAll(store: Kv): Promise<CatalogEntry[]> {
  const entries: CatalogEntry[] = [];
  for (;;) {
    const range = { prefix: [PREFIX], start: [PREFIX, entries.length] };
    const rows = await store.list(range, { limit: READ_AT_ONCE });
    for (const { value } of rows) {
      const entry = CatalogEntry.safeParse(value);
      if (!entry.success || entry.data.no !== entries.length) {
        throw new UnavailableError('CATALOG_DAMAGED', `point catalogue line ${entries.length} is unreadable`);
      }
      entries.push(entry.data);
    }
    if (rows.length < READ_AT_ONCE) return entries;
  }
}

async function writeAll(store: Kv, entries: readonly CatalogEntry[]): Promise<void> {
  for (let at = 0; at < entries.length; at += WRITE_AT_ONCE) {
    const mutations = entries
      .slice(at, at + WRITE_AT_ONCE)
      .map((entry): KvMutation => ({ type: 'set', key: [PREFIX, entry.no], value: entry }));
    await store.commit(mutations);
  }
}
