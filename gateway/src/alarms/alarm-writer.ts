import {
  type Clock,
  delay,
  describeError,
  type EventRecord,
  LimitError,
  type Logger,
} from '@millwright/protocol';
import type { Journal } from '../journal/journal.ts';
import type { Kv } from '../journal/kv/kv.ts';
import { type AlarmRecord, isNormal, keyOf } from './alarm-record.ts';
import { stateOf } from './alarm-state.ts';

export const ALARM_PREFIX = 'alarm';
/** An alarm that chatters leaves at most one event in this time. */
const SPACING_MS = 1000;
const STOP_WITHIN_MS = 3000;
const RETRY_FIRST_MS = 1000;
const RETRY_LAST_MS = 30_000;
/** Steps of one alarm that may wait for the disk. */
const MAX_STEPS = 16;
const MAX_IDLE = 10_000;

/** A change of an alarm that is to be written. */
export interface AlarmStep {
  readonly after: AlarmRecord;
  /** Absent: nobody needs to be told. */
  readonly event?: EventRecord;
  /** The plant's doing: a step and its opposite cancel out while neither is written. */
  readonly isProcess: boolean;
  readonly isRaise?: boolean;
  readonly onWritten?: () => void;
}

interface Lane {
  readonly steps: AlarmStep[];
  isOnDisk: boolean;
  writtenAtMs: number;
}

export interface AlarmWriterDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly journal: Pick<Journal, 'appendEvent'>;
  readonly kv: Pick<Kv, 'set' | 'delete'>;
}

/**
 * Follows the alarms onto the disk: one step after the other, again and again while the disk refuses, and each event
 * exactly once over crashes, because an event written twice carries the same identifier.
 */
export class AlarmWriter {
  readonly #deps: AlarmWriterDeps;
  readonly #lanes = new Map<string, Lane>();
  /** Alarms with steps to write. */
  readonly #dirty = new Set<string>();
  #isRunning = false;
  #writing: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  #retryMs = RETRY_FIRST_MS;

  constructor(deps: AlarmWriterDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#isRunning = true;
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
      delay(this.#deps.clock, STOP_WITHIN_MS, { signal: timeout.signal }).catch(() => undefined),
    ]);
    if (this.#dirty.size > 0) {
      this.#deps.logger.error({ alarms: this.#dirty.size }, 'alarm events lost: the disk does not take them');
    }
  }

  /** What was found on disk at the start. */
  restore(record: AlarmRecord): void {
    const lane = this.#laneOf(keyOf(record));
    lane.isOnDisk = true;
    if (record.event === undefined) return;
    const { event, ...after } = record;
    lane.steps.push({ after, event, isProcess: true });
    this.#dirty.add(keyOf(record));
  }

  /**
   * @returns the record as it stands now: an earlier one, when this step took back the one before it
   * @throws LimitError `ALARM_BUSY`
   */
  push(step: AlarmStep): AlarmRecord {
    const key = keyOf(step.after);
    const lane = this.#laneOf(key);
    const [back, last] = lane.steps.slice(-2);
    const isTakenBack = step.isProcess && last?.isProcess === true && isSame(back?.after, step.after);
    if (isTakenBack && back !== undefined) {
      lane.steps.pop();
      return back.after;
    }
    if (lane.steps.length >= MAX_STEPS && !step.isProcess) {
      const message = `${MAX_STEPS} changes of this alarm wait for the disk already`;
      throw new LimitError('ALARM_BUSY', message, { retry: 'backoff' });
    }
    lane.steps.push(step);
    this.#dirty.add(key);
    if (this.#lanes.size > 2 * MAX_IDLE) this.#forgetIdle();
    this.#wake();
    return step.after;
  }

  #laneOf(key: string): Lane {
    const lane = this.#lanes.get(key) ?? {
      ...{ steps: [], isOnDisk: false },
      writtenAtMs: Number.NEGATIVE_INFINITY,
    };
    this.#lanes.set(key, lane);
    return lane;
  }

  #forgetIdle(): void {
    for (const [key, { steps, isOnDisk }] of this.#lanes) {
      if (steps.length === 0 && !isOnDisk) this.#lanes.delete(key);
    }
  }

  #wake(afterMs = 0): void {
    if (!this.#isRunning || this.#writing !== undefined || this.#cancelTimer !== undefined) return;
    if (afterMs > 0) {
      this.#cancelTimer = this.#deps.clock.after(afterMs, () => {
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
    const { logger } = this.#deps;
    try {
      for (;;) {
        const due = this.#nextDue();
        if (due === undefined || !this.#isRunning) return undefined;
        if (typeof due === 'number') return due;
        await this.#write(due);
        if (this.#retryMs !== RETRY_FIRST_MS) logger.info('alarm events are written again');
        this.#retryMs = RETRY_FIRST_MS;
      }
    } catch (error) {
      if (this.#isRunning && this.#retryMs === RETRY_FIRST_MS) {
        logger.error({ error: describeError(error) }, 'alarm event not written; trying on');
      }
      this.#retryMs = Math.min(RETRY_LAST_MS, this.#retryMs * 2);
      return this.#retryMs;
    }
  }

  /** An alarm with something to write, or in how many milliseconds there will be one. */
  #nextDue(): string | number | undefined {
    const nowMs = this.#deps.clock.monotonicMs();
    let soonestMs: number | undefined;
    for (const key of this.#dirty) {
      const lane = this.#lanes.get(key);
      if (lane === undefined) continue;
      // A raising is followed by its clearing without delay: only the next raising has to wait.
      const waitMs = lane.steps[0]?.isRaise === true ? lane.writtenAtMs + SPACING_MS - nowMs : 0;
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
      this.#deps.logger.debug({ error: describeError(error) }, 'alarm event not written');
    }
  }

  /** Writes all steps of an alarm that are due. */
  async #write(key: string): Promise<void> {
    const lane = this.#lanes.get(key);
    for (let step = lane?.steps[0]; lane !== undefined && step !== undefined; step = lane.steps[0]) {
      await this.#writeStep(lane, step);
      lane.steps.shift();
      lane.writtenAtMs = this.#deps.clock.monotonicMs();
      step.onWritten?.();
      if (lane.steps[0]?.isRaise === true && this.#isRunning) return;
    }
    this.#dirty.delete(key);
  }

  async #writeStep(lane: Lane, { after, event }: AlarmStep): Promise<void> {
    const { journal, kv } = this.#deps;
    const key = [ALARM_PREFIX, after.device, after.point, after.alarm];
    if (event !== undefined) {
      await kv.set(key, { ...after, event });
      lane.isOnDisk = true;
      await journal.appendEvent(event);
    }
    if (!isNormal(after)) {
      await kv.set(key, after);
      lane.isOnDisk = true;
    } else if (lane.isOnDisk) {
      await kv.delete(key);
      lane.isOnDisk = false;
    }
  }
}

function isSame(a: AlarmRecord | undefined, b: AlarmRecord): boolean {
  return (
    a !== undefined && stateOf(a.status) === stateOf(b.status) && a.status.isActive === b.status.isActive
  );
}
