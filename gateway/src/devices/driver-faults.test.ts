import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type DeviceSlug, type PointId, UnavailableError } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AlarmRegister } from '../alarms/alarm-register.ts';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { Catalog } from '../points/catalog.ts';
import { PointsTable } from '../points/points-table.ts';
import { badModule, FAULTS, type Fault } from './bad-driver.fixture.ts';
import { DeviceSupervisor } from './device-supervisor.ts';
import { driverAlarm } from './driver-alarm.ts';
import type { DriverModules } from './line-factory.ts';
import { hostDevice } from './memory-driver.fixture.ts';

const BAD = 'bad' as DeviceSlug;
const POINT = 'cpu' as PointId;
/** These come out of the process's own handlers: a child shows that. */
const NEEDS_PROCESS: readonly Fault[] = ['rejects in the background', 'throws in a socket of its own'];

describe('a driver that goes wrong', () => {
  let clock: MemoryClock;
  let logger: MemoryLogger;
  let points: PointsTable;
  let supervisor: DeviceSupervisor;
  let register: AlarmRegister;
  let fault: Fault | undefined;
  let log: string[];

  beforeEach(async () => {
    clock = new MemoryClock();
    logger = new MemoryLogger();
    fault = undefined;
    log = [];
    points = new PointsTable({ clock, logger, all: [], reported: [] });
    const kv = await new MemoryKvFile().open();
    const catalog = new Catalog({ logger, stores: [kv] });
    await catalog.load();
    const journal = { appendEvent: async () => ({ epoch: 1, seq: 1 }) };
    register = new AlarmRegister({ clock, logger, journal, kv });
    await register.start();
    const none = async (): Promise<never> => {
      throw new UnavailableError('NOT_INSTALLED', 'not here');
    };
    const host = async () =>
      badModule(
        () => fault,
        (line) => log.push(line),
      );
    const modules = new Proxy({ host } as DriverModules, {
      get: (known, name) => (name === 'host' ? known.host : none),
    });
    const onFailing = driverAlarm(register);
    supervisor = new DeviceSupervisor({
      ...{ clock, logger, catalog, points, modules, onFailing },
      random: () => 1,
    });
    await supervisor.start();
  });
  afterEach(async () => {
    const stopping = supervisor.stop();
    await clock.advance(60_000);
    await stopping;
    await register.stop();
  });

  const statusOf = (device: string) => supervisor.statuses().find((status) => status.device === device);
  const created = (device: string) => log.filter((line) => line === `created ${device}`).length;
  const newest = (device: string) => {
    const no = supervisor
      .devices()
      .get(device as DeviceSlug)
      ?.numbers.get(POINT);
    return no === undefined ? undefined : points.sample(no);
  };

  it.each(FAULTS.filter((each) => !NEEDS_PROCESS.includes(each)))(
    'that %s is made anew with growing pauses, raises an alarm, and disturbs no other',
    async (how) => {
      fault = how;
      await supervisor.apply([hostDevice('bad'), hostDevice('good')]);
      await vi.waitFor(() => expect(log).toContain('created good'));
      for (let second = 0; second < 240; second++) {
        await clock.advance(1000);
        expect(clock.wallMs() - (newest('good')?.tGateway ?? 0)).toBeLessThanOrEqual(1000);
      }
      expect(created('good')).toBe(1);
      expect(created('bad')).toBeGreaterThanOrEqual(5);
      expect(created('bad')).toBeLessThanOrEqual(9);
      expect(statusOf('bad')?.why).toContain('its driver does not run');
      expect(newest('bad')).toMatchObject({ q: 'bad' });
      expect(register.active()).toMatchObject([
        { device: 'bad', alarm: 'driver-restarts', priority: 'high', kind: 'gateway' },
      ]);
      expect(clock.pendingTimers).toBeLessThan(20);

      fault = undefined;
      await clock.advance(120_000);
      expect(newest('bad')).toMatchObject({ q: 'good' });
      expect(supervisor.driverOf(BAD)).toBeDefined();
      await clock.advance(3_600_000);
      expect(register.active()).toEqual([]);
    },
  );

  it.each(['write', 'read'] as const)(
    'that never answers a %s, though told to give up, is made anew',
    async (what) => {
      await supervisor.apply([hostDevice('bad'), hostDevice('good')]);
      await vi.waitFor(() => supervisor.driverOf(BAD));
      const driver = supervisor.driverOf(BAD);
      const giveUp = new AbortController();
      const { signal } = giveUp;
      void (what === 'write'
        ? driver.write(BAD, POINT, 'hang', { signal })
        : driver.read(BAD, POINT, { signal }));
      await clock.advance(120_000);
      expect(created('bad')).toBe(1);
      giveUp.abort();
      await clock.advance(59_000);
      expect(created('bad')).toBe(1);
      await clock.advance(3000);
      expect(created('bad')).toBe(2);
      expect(created('good')).toBe(1);
      expect(logger.lines.filter(({ message }) => message.includes('driver failed'))).toHaveLength(1);
    },
  );
});

it.each(NEEDS_PROCESS)('a driver that %s does not end the process, while another error does', async (how) => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'bad-driver-process.fixture.ts'), how], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const [code] = (await once(child, 'close')) as [number];
  expect(out.split('\n').filter((line) => line.startsWith('created bad')).length).toBeGreaterThanOrEqual(2);
  expect(out).toContain('good goes on');
  expect(err).toContain('not of a driver');
  expect(code).not.toBe(0);
});
