import { createHash } from 'node:crypto';
import { type Clock, describeError, every, type Logger } from '@millwright/protocol';
import type { RuleSpec } from '@millwright/protocol/automation';
import { z } from 'zod';
import type { Kv, KvMutation } from '../journal/kv/kv.ts';
import type { ActiveRule, RuleState } from './active-rule.ts';

const PREFIX = 'rule';
export const MAX_RULES = 2000;
/** Changes within this time are written together: a rule that flutters costs one write. */
const WRITE_AFTER_MS = 1000;
/** How long a condition has held is written again this often, so that it is known how long the gateway was away. */
const ALIVE_EVERY_MS = 30_000;
/** After a longer absence nobody knows whether a condition held on. */
const MAX_AWAY_MS = 5 * 60_000;
const WRITE_AT_ONCE = 500;

/** A rule on disk; times are epoch ms. */
const RuleRecord = z.object({
  id: z.string().max(64),
  /** What the rule said: one that says something else begins anew. */
  words: z.string().max(64),
  savedAtMs: z.number(),
  heldSinceMs: z.number().nullable(),
  hasFired: z.boolean(),
  isStanding: z.boolean(),
  lastFiredMs: z.number().nullable(),
  /** For people. */
  lastFiredAtMs: z.number().nullable(),
  firings: z.int().nonnegative(),
});
type RuleRecord = z.infer<typeof RuleRecord>;

export interface RuleMemoryDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly kv: Pick<Kv, 'list' | 'commit'>;
  /** Engine time. */
  readonly nowMs: () => number;
}

/** Keeps where rules stand over a restart: what has fired does not fire again, and what rests goes on resting. */
export class RuleMemory {
  readonly #deps: RuleMemoryDeps;
  readonly #dirty = new Map<string, ActiveRule>();
  #known = new Map<string, RuleRecord>();
  #rules: readonly ActiveRule[] = [];
  #cancelWrite: (() => void) | undefined;
  #endAlive: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(deps: RuleMemoryDeps) {
    this.#deps = deps;
  }

  /** Reads what was kept; what cannot be read begins anew. */
  async load(): Promise<void> {
    const { kv, logger, clock } = this.#deps;
    try {
      const rows = await kv.list({ prefix: [PREFIX] }, { limit: 2 * MAX_RULES });
      const records = rows.flatMap(({ value }) => RuleRecord.safeParse(value).data ?? []);
      this.#known = new Map(records.map((record) => [record.id, record]));
    } catch (error) {
      logger.warn({ error: describeError(error) }, 'where rules stood cannot be read; they begin anew');
    }
    this.#endAlive ??= every(clock, ALIVE_EVERY_MS, () => {
      for (const rule of this.#rules) if (rule.isWaiting) this.changed(rule);
    });
  }

  /** Gives a new rule what is known of it. */
  restore(rule: ActiveRule): void {
    const record = this.#known.get(rule.spec.id);
    if (record === undefined || record.words !== wordsOf(rule.spec)) return;
    const { clock } = this.#deps;
    const nowMs = this.#deps.nowMs();
    const wallMs = clock.wallMs();
    // A clock that was set back in the meantime must not make anything last longer.
    const toEngine = (ms: number) => nowMs - Math.max(0, wallMs - ms);
    const isRecent = wallMs - record.savedAtMs <= MAX_AWAY_MS;
    const isKept = record.heldSinceMs !== null && (isRecent || record.hasFired);
    const state: RuleState = {
      heldSinceMs: isKept && record.heldSinceMs !== null ? toEngine(record.heldSinceMs) : Number.NaN,
      hasFired: isKept && record.hasFired,
      isStanding: record.isStanding,
      lastFiredMs: record.lastFiredMs === null ? Number.NEGATIVE_INFINITY : toEngine(record.lastFiredMs),
    };
    rule.restore(state, nowMs);
    rule.firings = record.firings;
    rule.lastFiredAtMs = record.lastFiredAtMs ?? undefined;
  }

  /** These are the rules now: what is kept of others is forgotten. */
  apply(rules: readonly ActiveRule[]): void {
    this.#rules = rules;
    const ids = new Set(rules.map(({ spec }) => spec.id));
    const gone = [...this.#known.keys()].filter((id) => !ids.has(id));
    for (const id of gone) this.#known.delete(id);
    if (gone.length > 0) void this.#commit(gone.map((id) => ({ type: 'delete', key: [PREFIX, id] })));
  }

  changed(rule: ActiveRule): void {
    this.#dirty.set(rule.spec.id, rule);
    this.#cancelWrite ??= this.#deps.clock.after(WRITE_AFTER_MS, () => {
      this.#cancelWrite = undefined;
      void this.#write();
    });
  }

  async stop(): Promise<void> {
    this.#endAlive?.();
    this.#endAlive = undefined;
    this.#cancelWrite?.();
    this.#cancelWrite = undefined;
    for (const rule of this.#rules) if (rule.isWaiting) this.#dirty.set(rule.spec.id, rule);
    await this.#write();
    await this.#writing;
  }

  #write(): Promise<void> {
    const rules = [...this.#dirty.values()];
    this.#dirty.clear();
    const records = rules.map((rule) => this.#recordOf(rule));
    for (const record of records) this.#known.set(record.id, record);
    return this.#commit(records.map((record) => ({ type: 'set', key: [PREFIX, record.id], value: record })));
  }

  #commit(mutations: readonly KvMutation[]): Promise<void> {
    const { kv, logger } = this.#deps;
    const written = this.#writing.then(async () => {
      try {
        for (let at = 0; at < mutations.length; at += WRITE_AT_ONCE)
          await kv.commit(mutations.slice(at, at + WRITE_AT_ONCE));
      } catch (error) {
        // The disk's own fault is told by the journal; here only the next start would know less.
        logger.debug({ error: describeError(error) }, 'where rules stand is not written');
      }
    });
    this.#writing = written;
    return written;
  }

  #recordOf(rule: ActiveRule): RuleRecord {
    const { heldSinceMs, hasFired, isStanding, lastFiredMs } = rule.state;
    const wallMs = this.#deps.clock.wallMs();
    const toWall = (ms: number) => wallMs - (this.#deps.nowMs() - ms);
    return {
      id: rule.spec.id,
      words: wordsOf(rule.spec),
      savedAtMs: wallMs,
      heldSinceMs: Number.isNaN(heldSinceMs) ? null : toWall(heldSinceMs),
      hasFired,
      isStanding,
      lastFiredMs: Number.isFinite(lastFiredMs) ? toWall(lastFiredMs) : null,
      lastFiredAtMs: rule.lastFiredAtMs ?? null,
      firings: rule.firings,
    };
  }
}

/** What a rule does and when, without its texts for people and its tests. */
function wordsOf({ tests: _tests, label: _label, ...rule }: RuleSpec): string {
  return createHash('sha256').update(JSON.stringify(rule)).digest('base64url');
}
