import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Kv as DenoKv, KvListSelector } from '@deno/kv';
import { UnavailableError } from '@millwright/protocol';
import type { Kv, KvEntry, KvFile, KvKey, KvListOptions, KvMutation, KvRange, KvValue } from './kv.ts';
import { checkKey, checkMutations } from './kv.ts';

/** SQLite keeps its write-ahead log and index beside the database; they belong together. */
const SUFFIXES = ['', '-wal', '-shm'] as const;

/** A store in one SQLite file, by @deno/kv. */
export class DenoKvFile implements KvFile {
  readonly name: string;

  /** @param path the database file; its folder is created when it is missing */
  constructor(path: string) {
    this.name = path;
  }

  async open(): Promise<Kv> {
    try {
      await mkdir(dirname(this.name), { recursive: true, mode: 0o700 });
      const { openKv } = await import('@deno/kv');
      return new DenoKvStore(this.name, await openKv(this.name));
    } catch (error) {
      throw asKvError(this.name, error);
    }
  }

  async setAside(): Promise<string> {
    const target = `${this.name}.unreadable`;
    for (const suffix of SUFFIXES) {
      await rm(`${target}${suffix}`, { force: true });
      await rename(`${this.name}${suffix}`, `${target}${suffix}`).catch((error: unknown) => {
        if (!isMissing(error)) throw asKvError(this.name, error);
      });
    }
    return target;
  }
}

class DenoKvStore implements Kv {
  readonly #name: string;
  readonly #kv: DenoKv;
  #closed = false;

  constructor(name: string, kv: DenoKv) {
    this.#name = name;
    this.#kv = kv;
  }

  async get(key: KvKey): Promise<unknown> {
    checkKey(key);
    return this.#run(async () => {
      const entry = await this.#kv.get(key);
      return entry.versionstamp === null ? undefined : detached(entry.value);
    });
  }

  async set(key: KvKey, value: KvValue): Promise<void> {
    await this.commit([{ type: 'set', key, value }]);
  }

  async delete(key: KvKey): Promise<void> {
    await this.commit([{ type: 'delete', key }]);
  }

  async list(range: KvRange, { limit, reverse = false }: KvListOptions): Promise<KvEntry[]> {
    return this.#run(async () => {
      const found: KvEntry[] = [];
      const options = { limit, reverse, batchSize: Math.min(limit, 500) };
      for await (const { key, value } of this.#kv.list(selectorOf(range), options)) {
        found.push({ key: key as KvKey, value: detached(value) });
      }
      return found;
    });
  }

  async commit(mutations: readonly KvMutation[]): Promise<void> {
    checkMutations(mutations);
    await this.#run(async () => {
      const atomic = this.#kv.atomic();
      for (const mutation of mutations) {
        if (mutation.type === 'set') atomic.set(mutation.key, mutation.value);
        else atomic.delete(mutation.key);
      }
      const result = await atomic.commit();
      if (!result.ok) throw new Error('commit was refused');
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#kv.close();
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new UnavailableError('KV_CLOSED', `${this.#name} is closed`);
    try {
      return await work();
    } catch (error) {
      throw asKvError(this.#name, error);
    }
  }
}

/** @deno/kv knows no range with a prefix and both ends; the ends alone say the same when they carry the prefix. */
function selectorOf({ prefix, start, end }: KvRange): KvListSelector {
  if (start !== undefined && end !== undefined) return { start, end };
  if (start !== undefined) return { prefix, start };
  return end !== undefined ? { prefix, end } : { prefix };
}

/** @deno/kv hands out views into the whole answer: one kept value would keep all of it in memory. */
function detached(value: unknown): unknown {
  return value instanceof Uint8Array ? new Uint8Array(value) : value;
}

/** SQLite's result codes, as far as an operator can do something about them. */
const FAULTS: ReadonlyMap<number, readonly [code: string, what: string, hint: string]> = new Map([
  [8, ['KV_READ_ONLY', 'the file system is read-only', 'remount it writable']],
  [13, ['KV_DISK_FULL', 'the disk is full', 'free some space']],
  [11, ['KV_CORRUPT', 'the file is damaged', 'check the disk']],
  [26, ['KV_CORRUPT', 'the file is not a database', 'check the disk']],
  [14, ['KV_IO', 'the file cannot be opened', 'check that the folder exists and is writable']],
]);

function asKvError(name: string, error: unknown): UnavailableError {
  const message = error instanceof Error ? error.message : String(error);
  const code = Number(/Error code (\d+)/.exec(message)?.[1] ?? Number.NaN) & 0xff;
  const fault = FAULTS.get(code);
  if (fault !== undefined) {
    return new UnavailableError(fault[0], `${name}: ${fault[1]}`, { hint: fault[2], cause: error });
  }
  return new UnavailableError('KV_IO', `${name}: ${message.split('\n', 1)[0]}`, { cause: error });
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
