import { type Clock, describeError, type Logger } from '@millwright/protocol';
import { KV_LIMITS, type Kv, type KvKey, type KvMutation } from '../journal/kv/kv.ts';

/** A record larger than a value may be is kept in parts of this size. */
const PART_BYTES = 48 * 1024;
const MAX_PARTS = 1000;
/** Well within what one commit may have. */
const COMMIT_MUTATIONS = KV_LIMITS.mutations / 2;
const COMMIT_BYTES = KV_LIMITS.commitBytes / 2;
const MAX_PENDING_BYTES = 64 * 1024 * 1024;
const RETRY_MS = 5000;
const LIST_LIMIT = 200;

export interface DurableRecordsDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly kv: Kv;
}

interface Pending {
  readonly key: KvKey;
  readonly value: Uint8Array | undefined;
}

/**
 * Numbered records in a store, written behind: what changes within one write to the disk is written together, and
 * what was made and removed again in between is never written. While the disk fails, changes wait, within a bound,
 * and nobody else is held up.
 */
export class DurableRecords {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #kv: Kv;
  /** By key, in the order of the changes. */
  readonly #pending = new Map<string, Pending>();
  /** Keys the disk may hold. */
  readonly #written = new Set<string>();
  #pendingBytes = 0;
  #waiters: (() => void)[] = [];
  #running: Promise<void> | undefined;
  #failing = false;
  #stopped = false;
  #cancelRetry: (() => void) | undefined;

  /** Changes that were not kept because too much waited for a disk that fails. */
  unsaved = 0;

  constructor(deps: DurableRecordsDeps) {
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#kv = deps.kv;
  }

  /** Every whole record of a kind, by number; what is left of others is removed. */
  async load(kind: string): Promise<Map<number, Uint8Array>> {
    const parts = new Map<number, Uint8Array[]>();
    let start: KvKey | undefined;
    for (;;) {
      const range = start === undefined ? { prefix: [kind] } : { prefix: [kind], start };
      const rows = await this.#kv.list(range, { limit: LIST_LIMIT });
      for (const { key, value } of rows) {
        const [, no, part] = key;
        this.#written.add(textOf(key));
        if (typeof no !== 'number' || typeof part !== 'number' || !(value instanceof Uint8Array)) continue;
        const list = parts.get(no) ?? [];
        list[part] = value;
        parts.set(no, list);
      }
      const last = rows.at(-1)?.key;
      if (last === undefined || rows.length < LIST_LIMIT) break;
      start = [kind, Number(last[1]), Number(last[2]) + 1];
    }
    const records = new Map<number, Uint8Array>();
    for (const [no, list] of parts) {
      const whole = joined(list);
      if (whole === undefined) this.erase(kind, no);
      else records.set(no, whole);
    }
    return records;
  }

  write(kind: string, no: number, record: Uint8Array): void {
    if (this.#failing && this.#pendingBytes + record.length > MAX_PENDING_BYTES) {
      this.unsaved++;
      return;
    }
    const bytes = Buffer.alloc(4 + record.length);
    bytes.writeUInt32LE(record.length);
    bytes.set(record, 4);
    const parts = Math.ceil(bytes.length / PART_BYTES);
    // The first part says how long the record is: one that comes last makes the others count.
    for (let part = parts - 1; part >= 0; part--) {
      this.#change([kind, no, part], bytes.subarray(part * PART_BYTES, (part + 1) * PART_BYTES));
    }
    this.#eraseFrom(kind, no, parts);
    this.#kick();
  }

  erase(kind: string, no: number): void {
    this.#eraseFrom(kind, no, 0);
    this.#kick();
  }

  /** Resolves when everything changed so far is on the disk, or the disk was found to fail. */
  async committed(): Promise<void> {
    if (this.#pending.size === 0 && this.#running === undefined) return;
    if (this.#failing) return;
    await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** Writes what waits. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRetry?.();
    await this.#running;
    if (this.#pending.size > 0) await this.#drain();
  }

  #eraseFrom(kind: string, no: number, part: number): void {
    for (let at = part; at < MAX_PARTS; at++) {
      const key: KvKey = [kind, no, at];
      const text = textOf(key);
      if (!this.#written.has(text) && !this.#pending.has(text)) return;
      this.#change(key, undefined);
    }
  }

  #change(key: KvKey, value: Uint8Array | undefined): void {
    const text = textOf(key);
    const old = this.#pending.get(text);
    if (old !== undefined) {
      this.#pendingBytes -= old.value?.length ?? 0;
      this.#pending.delete(text);
    }
    if (value === undefined && !this.#written.has(text)) return;
    this.#pending.set(text, { key, value });
    this.#pendingBytes += value?.length ?? 0;
  }

  #kick(): void {
    if (this.#stopped || this.#running !== undefined || this.#failing) return;
    // In the next turn, so that a burst is one commit.
    this.#running = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#drain())
      .finally(() => {
        this.#running = undefined;
        if (this.#pending.size > 0 || this.#waiters.length > 0) this.#kick();
      });
  }

  async #drain(): Promise<void> {
    do {
      const waiters = this.#waiters;
      this.#waiters = [];
      const until = this.#pending.size;
      let done = 0;
      while (done < until && this.#pending.size > 0) {
        const batch = this.#nextBatch(until - done);
        done += batch.length;
        if (!(await this.#commit(batch))) {
          for (const tell of [...waiters, ...this.#waiters.splice(0)]) tell();
          return;
        }
      }
      for (const tell of waiters) tell();
    } while (this.#pending.size > 0 || this.#waiters.length > 0);
  }

  #nextBatch(max: number): [string, Pending][] {
    const batch: [string, Pending][] = [];
    let bytes = 0;
    for (const entry of this.#pending) {
      bytes += (entry[1].value?.length ?? 0) + 64;
      if (batch.length >= Math.min(max, COMMIT_MUTATIONS) || (bytes > COMMIT_BYTES && batch.length > 0))
        break;
      batch.push(entry);
    }
    for (const [text, { value }] of batch) {
      this.#pending.delete(text);
      this.#pendingBytes -= value?.length ?? 0;
      // From now on the disk may hold it, even when the commit fails.
      if (value !== undefined) this.#written.add(text);
    }
    return batch;
  }

  /** @returns whether the disk took it; else it waits again, unless it was changed since */
  async #commit(batch: readonly [string, Pending][]): Promise<boolean> {
    const mutations = batch.map(
      ([, { key, value }]): KvMutation =>
        value === undefined ? { type: 'delete', key } : { type: 'set', key, value },
    );
    try {
      await this.#kv.commit(mutations);
      for (const [text, { value }] of batch) if (value === undefined) this.#written.delete(text);
      if (this.#failing) this.#logger.info('retained messages and sessions are kept on the disk again');
      this.#failing = false;
      return true;
    } catch (error) {
      for (const [text, change] of batch) {
        if (this.#pending.has(text)) continue;
        this.#pending.set(text, change);
        this.#pendingBytes += change.value?.length ?? 0;
      }
      if (!this.#failing) {
        const why = describeError(error);
        this.#logger.error({ error: why }, 'retained messages and sessions cannot be kept on the disk');
      }
      this.#failing = true;
      if (!this.#stopped) this.#retryLater();
      return false;
    }
  }

  #retryLater(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = this.#clock.after(RETRY_MS, () => {
      this.#cancelRetry = undefined;
      this.#running ??= this.#drain().finally(() => {
        this.#running = undefined;
      });
    });
  }
}

/** JSON beside a payload, in one record. */
export function recordOf(head: Readonly<Record<string, unknown>>, payload: Uint8Array): Uint8Array {
  const text = Buffer.from(JSON.stringify(head));
  const record = Buffer.alloc(4 + text.length + payload.length);
  record.writeUInt32LE(text.length);
  record.set(text, 4);
  record.set(payload, 4 + text.length);
  return record;
}

/** @returns undefined when this is no record */
export function partsOf(
  record: Uint8Array,
): { readonly head: unknown; readonly payload: Buffer } | undefined {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.length);
  if (bytes.length < 4) return undefined;
  const end = 4 + bytes.readUInt32LE();
  try {
    const head: unknown = JSON.parse(bytes.toString('utf8', 4, end));
    return { head, payload: Buffer.from(bytes.subarray(end)) };
  } catch {
    return undefined;
  }
}

function joined(parts: readonly (Uint8Array | undefined)[]): Uint8Array | undefined {
  const [first] = parts;
  if (first === undefined || first.length < 4) return undefined;
  const length = Buffer.from(first).readUInt32LE();
  const count = Math.ceil((4 + length) / PART_BYTES);
  const wanted = Array.from({ length: count }, (_, at) => parts[at]);
  if (wanted.some((part) => part === undefined)) return undefined;
  const whole = Buffer.concat(wanted.filter((part) => part !== undefined));
  return whole.length === 4 + length ? whole.subarray(4) : undefined;
}

function textOf(key: KvKey): string {
  return key.join('/');
}
