import {
  type Clock,
  DeviceSlug,
  InvalidInputError,
  type Lifecycle,
  type Logger,
  PointId,
} from '@millwright/protocol';
import type { Journal } from '../journal/journal.ts';
import type { Kv } from '../journal/kv/kv.ts';
import { alarmEvent, type EventType } from './alarm-event.ts';
import {
  type ActiveAlarm,
  type AlarmDefinition,
  type AlarmName,
  AlarmRecord,
  type AlarmView,
  endsWithProcess,
  isNormal,
  keyOf,
  type RaisedAlarm,
} from './alarm-record.ts';
import { type AlarmRequest, checkRequest, eventTypeOf } from './alarm-request.ts';
import { type AlarmInput, NORMAL, stateOf, transition } from './alarm-state.ts';
import { ALARM_PREFIX, AlarmWriter } from './alarm-writer.ts';
import { ChatterWatch } from './chatter.ts';
import { FirstOut } from './first-out.ts';
import { FloodWatch, type FloodWatchDeps } from './flood.ts';

const MAX_ALARMS = 10_000;
const MAX_MESSAGE = 1000;

export interface AlarmRegisterDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly journal: Pick<Journal, 'appendEvent'>;
  readonly kv: Pick<Kv, 'set' | 'delete' | 'list'>;
  /** Writes what is about no single change of an alarm: floods, chattering. */
  readonly note?: FloodWatchDeps['note'];
}

type Shelf = NonNullable<AlarmRecord['shelf']>;

/** What a change does to a record, beside its status. */
type Change = Partial<Omit<AlarmRecord, 'device' | 'point' | 'alarm' | 'status' | 'event'>>;

/**
 * Where every alarm stands, and the events of how it came there. What the plant does never waits: a writer follows.
 * What a person asks for is answered when it is on disk.
 */
export class AlarmRegister implements Lifecycle {
  readonly #deps: AlarmRegisterDeps;
  readonly #writer: AlarmWriter;
  /** Every alarm that is not normal. */
  readonly #records = new Map<string, AlarmRecord>();
  #defined: ReadonlyMap<string, AlarmDefinition> = new Map();
  /** What ends each shelf; by the monotonic clock, so that a wall clock that is set changes nothing. */
  readonly #shelves = new Map<string, { readonly shelf: Shelf; readonly cancel: () => void }>();
  readonly #firstOut = new FirstOut();
  readonly #chatter: ChatterWatch;
  readonly #flood: FloodWatch;
  #isRunning = false;
  #isFull = false;

  constructor(deps: AlarmRegisterDeps) {
    this.#deps = deps;
    this.#writer = new AlarmWriter(deps);
    this.#chatter = new ChatterWatch(deps);
    this.#flood = new FloodWatch(deps);
  }

  /** Knows again what was not normal. Call it before samples flow. */
  async start(): Promise<void> {
    if (this.#isRunning) return;
    const rows = await this.#deps.kv.list({ prefix: [ALARM_PREFIX] }, { limit: MAX_ALARMS });
    this.#isRunning = true;
    for (const row of rows) {
      const parsed = AlarmRecord.safeParse(row.value);
      if (parsed.success) this.#restore(parsed.data);
      else this.#deps.logger.warn({ key: row.key.join('/') }, 'stored alarm is not readable and is ignored');
    }
    await this.#flood.start();
    this.#writer.start();
  }

  async stop(): Promise<void> {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    for (const { cancel } of this.#shelves.values()) cancel();
    this.#shelves.clear();
    this.#flood.stop();
    await this.#writer.stop();
  }

  /** The alarms there can be, so that one that is normal can be shelved as well. Replaces all. */
  define(definitions: Iterable<AlarmDefinition>): void {
    this.#defined = new Map([...definitions].map((definition) => [keyOf(definition), definition]));
  }

  /** Those people are told of while they last, newest first. */
  active(): readonly ActiveAlarm[] {
    return this.list().filter(({ state }) => state === 'unacknowledged' || state === 'acknowledged');
  }

  /** Those whose condition holds, whether people are told or not. */
  standing(): readonly AlarmView[] {
    return this.list().filter(({ isActive }) => isActive);
  }

  /** All that are not normal, newest first. */
  list(): readonly AlarmView[] {
    const views = [...this.#records.values()].map((record) => this.#viewOf(record));
    return views.sort((a, b) => b.raisedAtMs - a.raisedAtMs);
  }

  /** Whether more alarms came in ten minutes than a person can deal with. */
  get isFlooded(): boolean {
    return this.#flood.isFlooded;
  }

  /** Whether its condition holds, also while nobody is told. */
  isActive(name: AlarmName): boolean {
    return this.#records.get(keyOf(name))?.status.isActive === true;
  }

  /** Does nothing when the alarm is active already. */
  raise(raised: RaisedAlarm): void {
    const record = this.#recordFor(raised);
    if (record === undefined || record.status.isActive) return;
    const { value, priority, kind } = raised;
    const { value: _before, ...rest } = record;
    this.#apply(rest, 'raise', 'alarm.raised', raised.message, {
      ...{ priority, kind, message: raised.message.slice(0, MAX_MESSAGE) },
      raisedAtMs: this.#deps.clock.wallMs(),
      ...(value === undefined ? {} : { value }),
    });
  }

  /** Does nothing when the alarm is not active. */
  clear(name: AlarmName, message: string): void {
    const record = this.#records.get(keyOf(name));
    if (record?.status.isActive !== true) return;
    this.#isFull = false;
    this.#apply(record, 'clear', 'alarm.cleared', message);
  }

  /** By the design of the plant; `definition` says which alarm, in case it is normal. */
  suppress(definition: AlarmDefinition, isSuppressed: boolean): void {
    const before = this.#records.get(keyOf(definition));
    if ((before?.status.isSuppressed ?? false) === isSuppressed) return;
    const record = before ?? this.#recordFor(definition);
    if (record === undefined) return;
    const input = isSuppressed ? 'suppress' : 'unsuppress';
    const what = isSuppressed ? 'suppressed by design' : 'no longer suppressed';
    this.#apply(record, input, eventTypeOf(input), `${what}: ${record.message}`);
  }

  /**
   * What a person asks for.
   * @returns the alarm as it stands then, once that is on disk
   * @throws InvalidInputError `ALARM_UNKNOWN`, or why it has no meaning now (`NOT_IN_ALARM`, `NOT_SHELVED`, …);
   *   LimitError `ALARM_BUSY` while the disk takes nothing
   */
  async request(name: AlarmName, request: AlarmRequest): Promise<AlarmView> {
    const record =
      this.#records.get(keyOf(name)) ??
      (this.#defined.has(keyOf(name)) ? this.#recordFor(this.#defined.get(keyOf(name))) : undefined);
    const label = `alarm "${name.alarm}" of ${name.device} ${name.point}`;
    if (record === undefined) {
      throw new InvalidInputError('ALARM_UNKNOWN', `there is no ${label}`, {
        hint: 'the list of alarms shows those that are not normal',
      });
    }
    const { sentence, change } = checkRequest(request, record, this.#deps.clock.wallMs());
    const result = transition(record.status, request.action, record);
    if (!result.ok) throw new InvalidInputError(result.code, `${label}: ${result.message}`);
    const { shelf: _shelf, by: _by, reason: _reason, ...rest } = record;
    const { promise, resolve } = Promise.withResolvers<void>();
    const after = this.#apply(rest, request.action, eventTypeOf(request.action), sentence, change, resolve);
    await promise;
    return this.#viewOf(after);
  }

  /** The record of an alarm, or a new one; undefined when there is no more room. */
  #recordFor(definition: AlarmDefinition | undefined): AlarmRecord | undefined {
    if (definition === undefined) return undefined;
    const known = this.#records.get(keyOf(definition));
    if (known !== undefined) return known;
    if (this.#records.size >= MAX_ALARMS) {
      if (!this.#isFull)
        this.#deps.logger.error({ alarms: MAX_ALARMS }, 'there are as many alarms as can be kept');
      this.#isFull = true;
      return undefined;
    }
    const { device, point, alarm, priority, kind, group } = definition;
    return {
      ...{ device, point, alarm, priority, kind },
      message: definition.message.slice(0, MAX_MESSAGE),
      raisedAtMs: this.#deps.clock.wallMs(),
      needsAck: definition.needsAck ?? kind !== 'anomaly',
      ...(group === undefined ? {} : { group }),
      isFirst: false,
      status: NORMAL,
    };
  }

  /** Makes the transition, tells the disk, and whoever counts. The input is one the state allows. */
  #apply(
    record: AlarmRecord,
    input: AlarmInput,
    type: EventType,
    sentence: string,
    change: Change = {},
    onWritten?: () => void,
  ): AlarmRecord {
    const result = transition(record.status, input, record);
    if (!result.ok) return record;
    const key = keyOf(record);
    const wasTold = record.status.told;
    const { status } = result;
    const isNews = input === 'raise' && wasTold !== status.told;
    const isFirst = this.#firstOut.isFirst(key, record.group, record.isFirst, status);
    const after: AlarmRecord = { ...record, ...change, isFirst, status };
    const isProcess = onWritten === undefined;
    // The plant's doing behind a cover is kept, but nobody is told.
    const isSilent = (input === 'raise' || input === 'clear') && wasTold === status.told;
    const at = { atMs: this.#deps.clock.wallMs(), sentence: sentence.slice(0, MAX_MESSAGE) };
    const stands = this.#writer.push({
      after,
      ...(isSilent ? {} : { event: alarmEvent(type, after, at) }),
      isProcess,
      isRaise: isNews,
      ...(onWritten === undefined ? {} : { onWritten }),
    });
    this.#keep(key, stands);
    if (isNews) {
      this.#flood.raised();
      this.#chatter.raised(after);
    }
    return stands;
  }

  #keep(key: string, record: AlarmRecord): void {
    if (isNormal(record)) this.#records.delete(key);
    else this.#records.set(key, record);
    const { shelf } = record;
    const armed = this.#shelves.get(key);
    if (armed?.shelf === shelf) return;
    armed?.cancel();
    this.#shelves.delete(key);
    if (shelf === undefined || !this.#isRunning) return;
    const { clock } = this.#deps;
    const leftMs = Math.min(shelf.forMs, Math.max(0, shelf.untilMs - clock.wallMs()));
    this.#shelves.set(key, { shelf, cancel: clock.after(leftMs, () => this.#unshelve(key)) });
  }

  #unshelve(key: string): void {
    const record = this.#records.get(key);
    if (record === undefined) return;
    const { shelf: _shelf, by: _by, reason: _reason, ...rest } = record;
    this.#apply(rest, 'unshelve', 'alarm.unshelved', `no longer shelved: ${record.message}`);
  }

  #restore(stored: AlarmRecord): void {
    this.#writer.restore(stored);
    const { event: _event, ...record } = stored;
    const key = keyOf(record);
    this.#firstOut.restore(key, record.group, record.isFirst, record.status);
    this.#keep(key, record);
    if (endsWithProcess(record.kind) && record.status.isActive) {
      this.clear(nameOf(record), `${record.message}: no longer known since the gateway restarted`);
    }
  }

  #viewOf(record: AlarmRecord): AlarmView {
    const {
      status,
      shelf,
      event: _event,
      device: _device,
      point: _point,
      value,
      group,
      by,
      reason,
      ...rest
    } = record;
    return {
      ...rest,
      ...nameOf(record),
      state: stateOf(status),
      isActive: status.isActive,
      isChattering: this.#chatter.isChattering(keyOf(record)),
      ...(value === undefined ? {} : { value }),
      ...(group === undefined ? {} : { group }),
      ...(by === undefined ? {} : { by }),
      ...(reason === undefined ? {} : { reason }),
      ...(shelf === undefined ? {} : { shelvedUntilMs: shelf.untilMs }),
    };
  }
}

function nameOf({ device, point, alarm }: AlarmRecord): AlarmName {
  return { device: DeviceSlug.parse(device), point: PointId.parse(point), alarm };
}
