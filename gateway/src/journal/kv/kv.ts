import { InvalidInputError, LimitError } from '@millwright/protocol';

/** Parts sort text before numbers; text by its UTF-8 bytes, numbers by value. */
export type KvKey = readonly (string | number)[];

/** Bytes, or data that survives `structuredClone`: what is read back is checked by whoever reads it. */
export type KvValue = Uint8Array | string | number | boolean | { readonly [key: string]: unknown };

export interface KvEntry {
  readonly key: KvKey;
  readonly value: unknown;
}

export type KvMutation =
  | { readonly type: 'set'; readonly key: KvKey; readonly value: KvValue }
  | { readonly type: 'delete'; readonly key: KvKey };

/** Keys that begin with `prefix` and have more parts; `start` (inclusive) and `end` (exclusive) narrow it. */
export interface KvRange {
  readonly prefix: KvKey;
  readonly start?: KvKey;
  readonly end?: KvKey;
}

export interface KvListOptions {
  /** How many entries are held in memory at once. */
  readonly limit: number;
  readonly reverse?: boolean;
}

/**
 * An ordered key-value store whose writes are durable when their promise resolves: they survive
 * `kill -9` and power loss.
 *
 * Every method rejects with UnavailableError `KV_DISK_FULL`, `KV_READ_ONLY`, `KV_IO`, `KV_CORRUPT`
 * or `KV_CLOSED` when the disk cannot serve it; a failed `commit` has changed nothing, or, when the
 * disk failed while confirming, everything.
 */
export interface Kv {
  /** @returns undefined when there is no such key */
  get(key: KvKey): Promise<unknown>;
  set(key: KvKey, value: KvValue): Promise<void>;
  delete(key: KvKey): Promise<void>;
  list(range: KvRange, options: KvListOptions): Promise<KvEntry[]>;
  /** All of it or nothing. @throws LimitError for more than `KV_LIMITS` allows */
  commit(mutations: readonly KvMutation[]): Promise<void>;
  close(): Promise<void>;
}

/** Where a store lives: a file that can be opened, and moved out of the way when it is beyond repair. */
export interface KvFile {
  /** For messages. */
  readonly name: string;
  /** @throws UnavailableError `KV_CORRUPT` when what is there is not a store, `KV_IO` and the like otherwise */
  open(): Promise<Kv>;
  /** Moves a closed store out of the way, replacing one moved earlier. @returns where it is now */
  setAside(): Promise<string>;
}

export const KV_LIMITS = {
  keyBytes: 2_000,
  valueBytes: 65_536,
  mutations: 1_000,
  /** Keys and values of one commit together. */
  commitBytes: 768 * 1024,
} as const;

/** Bytes a value takes in a commit; structured data is measured as JSON. */
export function kvValueBytes(value: KvValue): number {
  if (value instanceof Uint8Array) return value.byteLength;
  return Buffer.byteLength(JSON.stringify(value)) + 16;
}

/** The same checks in every adapter, so that what passes in a test passes on the disk. */
export function checkMutations(mutations: readonly KvMutation[]): void {
  if (mutations.length > KV_LIMITS.mutations) {
    throw tooLarge(`commit has ${mutations.length} mutations, at most ${KV_LIMITS.mutations} are allowed`);
  }
  let total = 0;
  for (const mutation of mutations) {
    checkKey(mutation.key);
    total += 64;
    if (mutation.type === 'delete') continue;
    const size = kvValueBytes(mutation.value);
    if (size > KV_LIMITS.valueBytes) {
      throw tooLarge(
        `value of ${mutation.key.join('/')} has ${size} bytes, at most ${KV_LIMITS.valueBytes} are allowed`,
      );
    }
    total += size;
  }
  if (total > KV_LIMITS.commitBytes) {
    throw tooLarge(`commit has ${total} bytes, at most ${KV_LIMITS.commitBytes} are allowed`);
  }
}

export function checkKey(key: KvKey): void {
  if (key.length === 0) throw new InvalidInputError('KV_KEY_EMPTY', 'a key needs at least one part');
  let size = 0;
  for (const part of key) size += typeof part === 'number' ? 9 : 2 + Buffer.byteLength(part);
  if (size > KV_LIMITS.keyBytes) {
    throw tooLarge(`key has ${size} bytes, at most ${KV_LIMITS.keyBytes} are allowed`);
  }
}

function tooLarge(message: string): LimitError {
  return new LimitError('KV_TOO_LARGE', message);
}
