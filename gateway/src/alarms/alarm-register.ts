import { randomUUID } from 'node:crypto';
import {
  type Clock,
  DeviceSlug,
  delay,
  describeError,
  type EventRecord,
  type Lifecycle,
  type Logger,
  PointId,
} from '@millwright/protocol';
import type { Journal } from '../journal/journal.ts';
import type { Kv } from '../journal/kv/kv.ts';
import { type ActiveAlarm, type AlarmName, AlarmRecord, keyOf, type RaisedAlarm } from './alarm-record.ts';

const PREFIX = 'alarm';
const MAX_ALARMS = 10_000;
/** An alarm that chatters leaves at most one event in this time. */
const SPACING_MS = 1000;
const STOP_WITHIN_MS = 3000;
const RETRY_FIRST_MS = 1000;
const RETRY_LAST_MS = 30_000;
const MAX_MESSAGE = 1000;

export interface AlarmRegisterDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly journal: Pick<Journal, 'appendEvent'>;
  readonly kv: Pick<Kv, 'set' | 'delete' | 'list'>;
}

/** Something to be written: a raising, or the clearing of what was raised before. */
type Step =
  | { readonly type: 'raise'; readonly alarm: ActiveAlarm }
  | { readonly type: 'clear'; readonly atMs: number; readonly message: string };

interface Entry {
  /** At most two: what alternates faster than it can be written cancels out. */
  readonly steps: Step[];
  /** As on disk. */
  record: AlarmRecord | undefined;
  writtenAtMs: number;
}

/**
 * Which alarms are active, and their events. Raising and clearing never wait: a writer follows, one alarm after the
 * other, tries again while the disk refuses, and leaves each event exactly once over crashes (an event written twice
 * carries the same identifier).
 */
export class AlarmRegister implements Lifecycle {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #journal: Pick<Journal, 'appendEvent'>;
  readonly #kv: Pick<Kv, 'set' | 'delete' | 'list'>;
  readonly #active = new Map<string, ActiveAlarm>();
  readonly #entries = new Map<string, Entry>();
  /** Alarms with steps to write. */
  readonly #dirty = new Set<string>();
  #isRunning = false;
  #writing: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  #retryMs = RETRY_FIRST_MS;
  #isFull = false;

  constructor(deps: AlarmRegisterDeps) {
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#journal = deps.journal;
    this.#kv = deps.kv;
  }

  /** Knows again what was active. Call it before samples flow. */
  async start(): Promise<void> {
    if (this.#isRunning) return;
    const rows = await this.#kv.list({ prefix: [PREFIX] }, { limit: MAX_ALARMS });
    this.#isRunning = true;
    for (const row of rows) {
      const parsed = AlarmRecord.safeParse(row.value);
      if (parsed.success) this.#restore(parsed.data);
      else this.#logger.warn({ key: row.key.join('/') }, 'stored alarm is not readable and is ignored');
    }
    this.#wake();
  }

  /** Writes what can be written; what the disk refuses is lost. */
  async stop(): Promise<void> {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const timeout = new AbortController();
    await Promise.race([
      this.#writeRest().finally(() => timeout.abort()),
      delay(this.#clock, STOP_WITHIN_MS, { signal: timeout.signal }).catch(() => undefined),
    ]);
    if (this.#dirty.size > 0) {
      this.#logger.error({ alarms: this.#dirty.size }, 'alarm events lost: the disk does not take them');
    }
  }

  /** Newest first. */
  active(): readonly ActiveAlarm[] {
    return [...this.#active.values()].sort((a, b) => b.raisedAtMs - a.raisedAtMs);
  }

  isActive(name: AlarmName): boolean {
    return this.#active.has(keyOf(name));
  }

  /** Does nothing when the alarm is active already. */
  raise(raised: RaisedAlarm): void {
    const key = keyOf(raised);
    if (this.#active.has(key)) return;
    if (this.#active.size >= MAX_ALARMS) {
      if (!this.#isFull)
        this.#logger.error({ alarms: MAX_ALARMS }, 'as many alarms are active as can be kept');
      this.#isFull = true;
      return;
    }
    const alarm = {
      ...raised,
      message: raised.message.slice(0, MAX_MESSAGE),
      raisedAtMs: this.#clock.wallMs(),
    };
    this.#active.set(key, alarm);
    this.#push(key, { type: 'raise', alarm });
  }

  /** Does nothing when the alarm is not active. */
  clear(name: AlarmName, message: string): void {
    const key = keyOf(name);
    if (!this.#active.delete(key)) return;
    this.#isFull = false;
    this.#push(key, { type: 'clear', atMs: this.#clock.wallMs(), message: message.slice(0, MAX_MESSAGE) });
  }

  #restore(record: AlarmRecord): void {
    const key = keyOf(record);
    const { state, cleared } = record;
    const entry: Entry = { steps: [], record, writtenAtMs: Number.NEGATIVE_INFINITY };
    this.#entries.set(key, entry);
    if (state !== 'raised') this.#dirty.add(key);
    const alarm = activeOf(record);
    if (state === 'raising') entry.steps.push({ type: 'raise', alarm });
    if (state === 'clearing' && cleared !== undefined) {
      entry.steps.push({ type: 'clear', atMs: cleared.atMs, message: cleared.message });
      return;
    }
    this.#active.set(key, alarm);
    if (record.kind === 'anomaly')
      this.clear(alarm, `${alarm.message}: no longer known since the gateway restarted`);
  }

  #push(key: string, step: Step): void {
    const entry = this.#entries.get(key) ?? {
      steps: [],
      record: undefined,
      writtenAtMs: Number.NEGATIVE_INFINITY,
    };
    this.#entries.set(key, entry);
    if (entry.steps.length === 2) entry.steps.pop();
    else entry.steps.push(step);
    this.#dirty.add(key);
    if (this.#entries.size > 2 * MAX_ALARMS) this.#forgetIdle();
    this.#wake();
  }

  #forgetIdle(): void {
    for (const [key, { steps, record }] of this.#entries) {
      if (steps.length === 0 && record === undefined) this.#entries.delete(key);
    }
  }

  #wake(afterMs = 0): void {
    if (!this.#isRunning || this.#writing !== undefined || this.#cancelTimer !== undefined) return;
    if (afterMs > 0) {
      this.#cancelTimer = this.#clock.after(afterMs, () => {
        this.#cancelTimer = undefined;
        this.#wake();
      });
      return;
    }
    this.#writing = this.#writeAll().then((nextMs) => {
      this.#writing = undefined;
      if (this.#dirty.size > 0) this.#wake(nextMs);
    });
  }

  /** @returns in how many milliseconds there is more to do */
  async #writeAll(): Promise<number | undefined> {
    try {
      for (;;) {
        const due = this.#nextDue();
        if (due === undefined || !this.#isRunning) return undefined;
        if (typeof due === 'number') return due;
        await this.#write(due);
        if (this.#retryMs !== RETRY_FIRST_MS) this.#logger.info('alarm events are written again');
        this.#retryMs = RETRY_FIRST_MS;
      }
    } catch (error) {
      if (this.#isRunning && this.#retryMs === RETRY_FIRST_MS) {
        this.#logger.error({ error: describeError(error) }, 'alarm event not written; trying on');
      }
      this.#retryMs = Math.min(RETRY_LAST_MS, this.#retryMs * 2);
      return this.#retryMs;
    }
  }

  /** An alarm with something to write, or in how many milliseconds there will be one. */
  #nextDue(): string | number | undefined {
    const nowMs = this.#clock.monotonicMs();
    let soonestMs: number | undefined;
    for (const key of this.#dirty) {
      const entry = this.#entries.get(key);
      if (entry === undefined) continue;
      // A raising is followed by its clearing without delay: only the next raising has to wait.
      const waitMs = entry.steps[0]?.type === 'raise' ? entry.writtenAtMs + SPACING_MS - nowMs : 0;
      if (waitMs <= 0) return key;
      soonestMs = Math.min(soonestMs ?? waitMs, waitMs);
    }
    return soonestMs;
  }

  /** What is left over is counted, and logged, by the caller. */
  async #writeRest(): Promise<void> {
    await this.#writing;
    try {
      for (const key of [...this.#dirty]) await this.#write(key);
    } catch (error) {
      this.#logger.debug({ error: describeError(error) }, 'alarm event not written');
    }
  }

  /** Writes all steps of an alarm that are due. */
  async #write(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    for (let step = entry?.steps[0]; entry !== undefined && step !== undefined; step = entry.steps[0]) {
      if (step.type === 'raise') await this.#writeRaise(entry, step.alarm);
      else await this.#writeClear(entry, step);
      entry.steps.shift();
      entry.writtenAtMs = this.#clock.monotonicMs();
      if (entry.steps[0]?.type === 'raise' && this.#isRunning) return;
    }
    this.#dirty.delete(key);
  }

  async #writeRaise(entry: Entry, alarm: ActiveAlarm): Promise<void> {
    const record: AlarmRecord =
      entry.record?.state === 'raising'
        ? entry.record
        : { ...alarm, raisedEvent: `evt_${randomUUID()}`, state: 'raising' };
    await this.#put(entry, record);
    await this.#journal.appendEvent(
      eventOf('alarm.raised', record.raisedEvent, alarm.raisedAtMs, alarm, alarm.message),
    );
    await this.#put(entry, { ...record, state: 'raised' });
  }

  async #writeClear(entry: Entry, step: Extract<Step, { type: 'clear' }>): Promise<void> {
    const { record } = entry;
    if (record === undefined) return;
    const cleared =
      record.state === 'clearing' && record.cleared !== undefined
        ? record.cleared
        : { event: `evt_${randomUUID()}`, atMs: step.atMs, message: step.message };
    await this.#put(entry, { ...record, state: 'clearing', cleared });
    const alarm = activeOf(record);
    await this.#journal.appendEvent(
      eventOf('alarm.cleared', cleared.event, cleared.atMs, alarm, cleared.message),
    );
    await this.#kv.delete([PREFIX, record.device, record.point, record.alarm]);
    entry.record = undefined;
  }

  async #put(entry: Entry, record: AlarmRecord): Promise<void> {
    entry.record = record;
    await this.#kv.set([PREFIX, record.device, record.point, record.alarm], record);
  }
}

function activeOf({
  device,
  point,
  alarm,
  priority,
  kind,
  message,
  value,
  raisedAtMs,
}: AlarmRecord): ActiveAlarm {
  return {
    device: DeviceSlug.parse(device),
    point: PointId.parse(point),
    alarm,
    priority,
    kind,
    message,
    raisedAtMs,
    ...(value === undefined ? {} : { value }),
  };
}

function eventOf(
  type: EventRecord['type'],
  id: string,
  atMs: number,
  { device, point, alarm, priority, kind, value }: ActiveAlarm,
  message: string,
): EventRecord {
  const data = { alarm, priority, kind, ...(value === undefined ? {} : { value }) };
  return { id, atMs, type, device, point, message, data };
}
