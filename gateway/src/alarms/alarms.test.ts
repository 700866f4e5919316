import {
  AlarmRule,
  bad,
  DeviceSlug,
  type EventRecord,
  PointId,
  PointNo,
  qualityByte,
  SampleBatch,
  UnavailableError,
} from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JournalConfig } from '../journal/config.ts';
import type { Kv } from '../journal/kv/kv.ts';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { KvJournal } from '../journal/kv-journal.ts';
import { AlarmRegister } from './alarm-register.ts';
import { AlarmRules } from './alarm-rules.ts';
import type { WatchedPoint } from './watched-points.ts';

const rule = (words: object) => AlarmRule.parse({ acknowledge: false, ...words });
const device = DeviceSlug.parse('pump-1');
const point = PointId.parse('bearing_temperature');
const bearing: WatchedPoint = {
  no: PointNo.parse(3),
  device,
  point,
  subject: 'Pump 1 bearing temperature',
  unit: 'Cel',
  alarms: { hi: rule({ at: 90, off: 87, priority: 'high' }) },
};
const full = () => new UnavailableError('KV_DISK_FULL', 'the disk is full');

let clock: MemoryClock;
let logger: MemoryLogger;
let journalFile: MemoryKvFile;
let stateFile: MemoryKvFile;
let journal: KvJournal;
let kv: Kv;
let register: AlarmRegister;
let rules: AlarmRules;

beforeEach(async () => {
  clock = new MemoryClock();
  logger = new MemoryLogger();
  journalFile = new MemoryKvFile();
  stateFile = new MemoryKvFile();
  await begin([bearing]);
});
afterEach(end);

async function begin(points: readonly WatchedPoint[]): Promise<void> {
  journal = new KvJournal({ clock, logger, file: journalFile }, JournalConfig.parse({}));
  await journal.start();
  kv = await stateFile.open();
  register = new AlarmRegister({ clock, logger, journal, kv });
  await register.start();
  rules = new AlarmRules({ clock, register });
  rules.watch(points);
}

async function end(): Promise<void> {
  rules.stop();
  const stopping = register.stop();
  await clock.advance(5000);
  await stopping;
  await journal.stop();
  await kv.close();
}

function feed(...values: readonly number[]): void {
  const batch = new SampleBatch(values.length);
  for (const value of values) batch.pushNumber(bearing.no, clock.wallMs(), clock.wallMs(), value);
  rules.accept(batch);
}

async function events(): Promise<EventRecord[]> {
  for (let turn = 0; turn < 10; turn++) await clock.advance(2000);
  const entries = await journal.entriesAfter(null, 1000);
  return entries.flatMap((entry) => (entry.kind === 'event' ? [entry.event] : []));
}
const messages = async () => (await events()).map(({ type, message }) => `${type}: ${message}`);

describe('a limit alarm', () => {
  it('is raised above its limit and cleared at its off value, each with a sentence', async () => {
    feed(89, 90, 92.0999984741211, 95, 88);
    expect(register.active()).toMatchObject([
      { device, point, alarm: 'hi', priority: 'high', kind: 'limit', raisedAtMs: clock.wallMs() },
    ]);
    feed(87.5, 87);
    expect(register.active()).toEqual([]);
    expect(await messages()).toEqual([
      'alarm.raised: Pump 1 bearing temperature is 92.1 Cel, above 90 Cel (high)',
      'alarm.cleared: Pump 1 bearing temperature is 87 Cel, no longer above 90 Cel',
    ]);
    expect((await events())[0]).toMatchObject({
      device,
      point,
      data: { alarm: 'hi', priority: 'high', kind: 'limit' },
    });
  });

  it('is low when its off value is above its limit, or its side says so', async () => {
    const alarms = {
      lo: rule({ at: 10, off: 12, priority: 'low' }),
      empty: rule({ at: 5, side: 'low', priority: 'critical' }),
    };
    rules.watch([{ ...bearing, unit: undefined, alarms }]);
    feed(10, 9, 4, 5, 11);
    expect(register.active().map(({ alarm }) => alarm)).toEqual(['lo']);
    feed(12);
    expect(await messages()).toEqual([
      'alarm.raised: Pump 1 bearing temperature is 9, below 10 (low)',
      'alarm.cleared: Pump 1 bearing temperature is 12, no longer below 10',
      'alarm.raised: Pump 1 bearing temperature is 4, below 5 (critical)',
      'alarm.cleared: Pump 1 bearing temperature is 5, no longer below 5',
    ]);
  });

  it('with a delay is raised when the limit stays exceeded, also without another sample', async () => {
    rules.watch([{ ...bearing, alarms: { hi: rule({ at: 90, delay: '5s', priority: 'medium' }) } }]);
    feed(95);
    await clock.advance(4000);
    feed(85);
    await clock.advance(4000);
    expect(register.active()).toEqual([]);
    feed(91);
    await clock.advance(5000);
    expect(register.active()).toHaveLength(1);
  });

  it('is neither raised nor cleared by a bad value, and a bad value breaks a delay off', async () => {
    rules.watch([
      {
        ...bearing,
        alarms: {
          now: rule({ at: 90, priority: 'low' }),
          later: rule({ at: 90, delay: '1s', priority: 'low' }),
        },
      },
    ]);
    feed(95);
    const batch = new SampleBatch(2);
    batch.pushNull(bearing.no, 0, 0, bad('timeout'));
    batch.pushNumber(bearing.no, 0, 0, 0, bad('sensor-fault'));
    rules.accept(batch);
    await clock.advance(5000);
    expect(register.active().map(({ alarm }) => alarm)).toEqual(['now']);
  });

  it('judges integers, switches and uncertain values too, and ignores text and points without rules', async () => {
    rules.watch([{ ...bearing, alarms: { hi: rule({ at: 0.5, priority: 'low' }) } }]);
    const raisedBy = async (push: (batch: SampleBatch) => void) => {
      const batch = new SampleBatch(2);
      push(batch);
      rules.accept(batch);
      const isRaised = register.active().length === 1;
      feed(0);
      return isRaised;
    };
    expect(await raisedBy((batch) => batch.pushInt(bearing.no, 0, 0, 5n))).toBe(true);
    expect(await raisedBy((batch) => batch.pushInt(bearing.no, 0, 0, -5n))).toBe(false);
    expect(await raisedBy((batch) => batch.pushBool(bearing.no, 0, 0, true))).toBe(true);
    expect(
      await raisedBy((batch) => batch.pushNumber(bearing.no, 0, 0, 1, qualityByte('uncertain', 'stale'))),
    ).toBe(true);
    expect(await raisedBy((batch) => batch.pushText(bearing.no, 0, 0, '9'))).toBe(false);
    expect(await raisedBy((batch) => batch.pushNumber(PointNo.parse(99), 0, 0, 9))).toBe(false);
    expect(await raisedBy((batch) => batch.pushNumber(bearing.no, 0, 0, Number.NaN))).toBe(false);
  });

  it('is cleared when its limit is taken away, and goes on when others change', async () => {
    feed(95);
    rules.watch([{ ...bearing, alarms: { ...bearing.alarms, more: rule({ at: 99, priority: 'low' }) } }]);
    expect(register.active()).toHaveLength(1);
    rules.watch([]);
    expect(await messages()).toEqual([
      'alarm.raised: Pump 1 bearing temperature is 95 Cel, above 90 Cel (high)',
      'alarm.cleared: Pump 1 bearing temperature is 95 Cel, above 90 Cel (high): the alarm is no longer watched',
    ]);
  });

  it('that chatters leaves at most one pair of events a second', async () => {
    for (let no = 0; no < 1000; no++) {
      feed(95, 80);
      await clock.advance(5);
    }
    const all = await events();
    expect(all.length).toBeGreaterThanOrEqual(8);
    expect(all.length).toBeLessThanOrEqual(14);
    expect(all.map(({ type }) => type)).toEqual(
      all.map((_, at) => (at % 2 === 0 ? 'alarm.raised' : 'alarm.cleared')),
    );
    expect(register.active()).toEqual([]);
  });
});

describe('active alarms over restarts', () => {
  it('are known again without another event, and cleared when the value is normal by then', async () => {
    feed(95);
    await end();
    await begin([bearing]);
    expect(register.active()).toMatchObject([{ alarm: 'hi', message: expect.stringContaining('is 95 Cel') }]);
    feed(96);
    expect((await events()).map(({ type }) => type)).toEqual(['alarm.raised']);
    await end();
    await begin([bearing]);
    feed(20);
    expect((await events()).map(({ type }) => type)).toEqual(['alarm.raised', 'alarm.cleared']);
    await end();
    await begin([bearing]);
    expect(register.active()).toEqual([]);
    expect(await events()).toHaveLength(2);
  });

  it('are cleared when their limit was removed meanwhile', async () => {
    feed(95);
    await end();
    await begin([]);
    expect(register.active()).toEqual([]);
    expect((await events()).map(({ type }) => type)).toEqual(['alarm.raised', 'alarm.cleared']);
  });

  it('of a detector end with the process, because it begins anew', async () => {
    const message = 'Pump 1 vibration is 9 mm/s, expected about 2 mm/s';
    const anomaly = { device, point: PointId.parse('vibration'), alarm: 'anomaly' };
    register.raise({ ...anomaly, priority: 'medium', message, value: 9, kind: 'anomaly' });
    register.raise({ ...anomaly, priority: 'medium', message: 'again', value: 9, kind: 'anomaly' });
    expect(register.active()).toHaveLength(1);
    await end();
    await begin([bearing]);
    expect(register.active()).toEqual([]);
    expect(await messages()).toEqual([
      `alarm.raised: ${message}`,
      `alarm.cleared: ${message}: no longer known since the gateway restarted`,
    ]);
  });

  it.each([0, 1, 2, 3, 4, 5, 6])(
    'leave each event once when the process dies after %i writes',
    async (writes) => {
      let left = writes;
      const dies = <T>(work: () => Promise<T>) => (left-- > 0 ? work() : new Promise<T>(() => undefined));
      const dying = new AlarmRegister({
        clock,
        logger,
        journal: { appendEvent: (event) => dies(() => journal.appendEvent(event)) },
        kv: {
          list: (range, options) => kv.list(range, options),
          set: (key, value) => dies(() => kv.set(key, value)),
          delete: (key) => dies(() => kv.delete(key)),
        },
      });
      await dying.start();
      rules = new AlarmRules({ clock, register: dying });
      rules.watch([bearing]);
      feed(95, 80);
      for (let turn = 0; turn < 20; turn++) await clock.advance(0);
      expect(left).toBeLessThan(writes === 6 ? 1 : 0);
      // The timers of a killed process never fire again.
      clock = new MemoryClock(clock.wallMs() + 1000);
      await begin([bearing]);
      feed(80);
      const ids = new Map((await events()).map(({ id, type }) => [id, type]));
      expect([...ids.values()]).toEqual(writes === 0 ? [] : ['alarm.raised', 'alarm.cleared']);
      expect(register.active()).toEqual([]);
      expect(await kv.list({ prefix: ['alarm'] }, { limit: 10 })).toEqual([]);
    },
  );

  it('are written when the disk is back, with one complaint meanwhile', async () => {
    stateFile.writeFault = full();
    feed(95);
    await clock.advance(120_000);
    feed(80);
    await clock.advance(120_000);
    stateFile.writeFault = undefined;
    expect((await events()).map(({ type }) => type)).toEqual([]);
    await clock.advance(40_000);
    expect((await events()).map(({ type }) => type)).toEqual(['alarm.raised', 'alarm.cleared']);
    expect(logger.lines.map(({ level, message }) => `${level} ${message}`)).toEqual([
      'error alarm event not written; trying on',
      'info alarm events are written again',
    ]);
  });

  it('do not keep the gateway from stopping while the disk is full', async () => {
    journalFile.writeFault = full();
    feed(95);
    await clock.advance(1000);
    await end();
    expect(logger.lines.some(({ message }) => message.startsWith('alarm events lost'))).toBe(true);
    journalFile.writeFault = undefined;
    await begin([bearing]);
    expect(register.active()).toHaveLength(1);
    expect((await events()).map(({ type }) => type)).toEqual(['alarm.raised']);
  });

  it('that cannot be read are ignored and named', async () => {
    await kv.set(['alarm', 'a', 'b', 'c'], { odd: true });
    await end();
    await begin([bearing]);
    expect(logger.lines.at(-1)).toMatchObject({
      level: 'warn',
      message: 'stored alarm is not readable and is ignored',
    });
  });
});
