import { UnavailableError } from '@millwright/protocol';
import type { Kv, KvEntry, KvFile, KvKey, KvListOptions, KvMutation, KvRange, KvValue } from './kv.ts';
import { checkKey, checkMutations, kvValueBytes } from './kv.ts';

/** The in-memory twin of a store on disk: outlives its openings, and fails when told to. */
export class MemoryKvFile implements KvFile {
  readonly name: string;
  /** What the disk answers to writes from now on; undefined = it works. */
  writeFault: UnavailableError | undefined;
  /** Commits carried out, for tests that count fsyncs. */
  commits = 0;
  /** Earlier contents, newest last. */
  readonly aside: ReadonlyMap<string, unknown>[] = [];
  /** Makes the next opening fail, as a file overwritten by something else would. */
  corrupt = false;
  #rows = new Rows();

  constructor(name = 'memory.kv') {
    this.name = name;
  }

  async open(): Promise<Kv> {
    if (this.corrupt) {
      throw new UnavailableError('KV_CORRUPT', `${this.name} is not a database`, { retry: 'never' });
    }
    return new MemoryKv(this, this.#rows);
  }

  async setAside(): Promise<string> {
    this.aside.push(this.#rows.snapshot());
    this.#rows = new Rows();
    this.corrupt = false;
    return `${this.name}.unreadable`;
  }

  /** Overwrites a stored value behind the store's back, as a failing disk would. */
  damage(key: KvKey, change: (bytes: Uint8Array) => Uint8Array): void {
    const value = this.#rows.get(key);
    if (value instanceof Uint8Array) this.#rows.set(key, change(value.slice()));
  }

  /** Bytes of all values. */
  get sizeBytes(): number {
    return this.#rows.sizeBytes;
  }
}

class MemoryKv implements Kv {
  readonly #file: MemoryKvFile;
  readonly #rows: Rows;
  #closed = false;

  constructor(file: MemoryKvFile, rows: Rows) {
    this.#file = file;
    this.#rows = rows;
  }

  async get(key: KvKey): Promise<unknown> {
    this.#check();
    checkKey(key);
    return copy(this.#rows.get(key));
  }

  async set(key: KvKey, value: KvValue): Promise<void> {
    await this.commit([{ type: 'set', key, value }]);
  }

  async delete(key: KvKey): Promise<void> {
    await this.commit([{ type: 'delete', key }]);
  }

  async list(range: KvRange, { limit, reverse = false }: KvListOptions): Promise<KvEntry[]> {
    this.#check();
    const found = this.#rows.range(range);
    if (reverse) found.reverse();
    return found.slice(0, limit).map(({ key, value }) => ({ key, value: copy(value) }));
  }

  async commit(mutations: readonly KvMutation[]): Promise<void> {
    this.#check();
    checkMutations(mutations);
    if (this.#file.writeFault !== undefined) throw this.#file.writeFault;
    this.#file.commits++;
    for (const mutation of mutations) {
      if (mutation.type === 'set') this.#rows.set(mutation.key, copy(mutation.value));
      else this.#rows.delete(mutation.key);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #check(): void {
    if (this.#closed) throw new UnavailableError('KV_CLOSED', `${this.#file.name} is closed`);
  }
}

/** Rows in key order, found by bisection. */
class Rows {
  readonly #keys: KvKey[] = [];
  readonly #values: unknown[] = [];

  get sizeBytes(): number {
    return this.#values.reduce<number>((sum, value) => sum + kvValueBytes(value as KvValue), 0);
  }

  get(key: KvKey): unknown {
    const at = this.#find(key);
    return at >= 0 ? this.#values[at] : undefined;
  }

  set(key: KvKey, value: unknown): void {
    const at = this.#find(key);
    if (at >= 0) this.#values[at] = value;
    else {
      this.#keys.splice(~at, 0, [...key]);
      this.#values.splice(~at, 0, value);
    }
  }

  delete(key: KvKey): void {
    const at = this.#find(key);
    if (at < 0) return;
    this.#keys.splice(at, 1);
    this.#values.splice(at, 1);
  }

  range({ prefix, start, end }: KvRange): KvEntry[] {
    const found: KvEntry[] = [];
    const first = this.#find(start ?? prefix);
    for (let at = first < 0 ? ~first : first; at < this.#keys.length; at++) {
      const key = this.#keys[at] as KvKey;
      if (!prefix.every((part, index) => key[index] === part)) break;
      if (end !== undefined && compareKeys(key, end) >= 0) break;
      if (key.length > prefix.length) found.push({ key, value: this.#values[at] });
    }
    return found;
  }

  snapshot(): ReadonlyMap<string, unknown> {
    return new Map(this.#keys.map((key, at) => [key.join('/'), this.#values[at]]));
  }

  /** @returns the row of `key`, or the bitwise complement of where it would go */
  #find(key: KvKey): number {
    let low = 0;
    let high = this.#keys.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const order = compareKeys(this.#keys[middle] as KvKey, key);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return ~low;
  }
}

function compareKeys(a: KvKey, b: KvKey): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const order = compareParts(a[at] as string | number, b[at] as string | number);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareParts(a: string | number, b: string | number): number {
  if (typeof a === 'number') return typeof b === 'number' ? a - b : 1;
  return typeof b === 'number' ? -1 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function copy(value: unknown): unknown {
  return value instanceof Uint8Array ? value.slice() : structuredClone(value);
}
