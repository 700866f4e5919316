import { type DeviceSlug, type DeviceStatus, InlineDevice, type PointId } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { Catalog } from '../points/catalog.ts';
import { PointsTable } from '../points/points-table.ts';
import { DeviceSupervisor } from './device-supervisor.ts';
import { hostDevice, MemoryDrivers } from './memory-driver.fixture.ts';

describe('the device supervisor', () => {
  let clock: MemoryClock;
  let drivers: MemoryDrivers;
  let points: PointsTable;
  let supervisor: DeviceSupervisor;
  let changes: DeviceStatus[];

  beforeEach(async () => {
    clock = new MemoryClock();
    const logger = new MemoryLogger();
    drivers = new MemoryDrivers();
    points = new PointsTable({ clock, logger, all: [], reported: [] });
    const catalog = new Catalog({ logger, stores: [await new MemoryKvFile().open()] });
    await catalog.load();
    const { modules } = drivers;
    supervisor = new DeviceSupervisor({ clock, logger, catalog, points, modules, random: () => 1 });
    changes = [];
    supervisor.onChanged((changed) => changes.push(...changed));
    await supervisor.start();
    return () => supervisor.stop();
  });

  const newest = (device: string, point = 'cpu') => {
    const no = supervisor
      .devices()
      .get(device as DeviceSlug)
      ?.numbers.get(point as PointId);
    return no === undefined ? undefined : points.sample(no);
  };
  const statusOf = (device: string) => supervisor.statuses().find((status) => status.device === device);
  const logged = (...lines: string[]) => vi.waitFor(() => expect(drivers.log).toEqual(lines));

  it('starts one driver per line, and samples reach the table', async () => {
    await supervisor.apply([hostDevice('a', 'x'), hostDevice('b', 'y'), hostDevice('c', 'x')]);
    await vi.waitFor(() => expect(drivers.log).toContain('started b'));
    expect(drivers.log.filter((line) => line.startsWith('created'))).toEqual(['created a+c', 'created b']);
    drivers.send('c', 'cpu', 0.5);
    expect(newest('c')).toMatchObject({ v: 0.5, q: 'good' });
    expect(newest('a')).toMatchObject({ why: 'not-yet-read' });
  });

  it('tells who answers, since when, and why not', async () => {
    await supervisor.apply([hostDevice('a')]);
    expect(statusOf('a')).toMatchObject({ online: false, why: 'has not answered yet' });
    await vi.waitFor(() => expect(drivers.log).toContain('started a'));
    await clock.advance(1000);
    drivers.setOnline('a');
    expect(statusOf('a')).toEqual({
      device: 'a',
      name: 'a',
      driver: 'host',
      online: true,
      sinceMs: clock.wallMs(),
    });
    await clock.advance(1000);
    drivers.setOnline('a', 'no answer');
    drivers.setOnline('a', 'no answer');
    expect(statusOf('a')).toMatchObject({ online: false, why: 'no answer', sinceMs: clock.wallMs() });
    expect(changes.map(({ online }) => online)).toEqual([false, true, false]);
  });

  it.each(['create', 'start', 'hang'] as const)(
    'keeps the others running when a driver fails to %s, and tries it again until it runs',
    async (how) => {
      drivers.failing.set('bad', how);
      await supervisor.apply([hostDevice('bad'), hostDevice('good')]);
      await vi.waitFor(() => expect(drivers.log).toContain('started good'));
      await clock.advance(20_000);
      await vi.waitFor(() => expect(statusOf('bad')?.why).toContain('its driver does not run'));
      expect(newest('bad')).toMatchObject({ q: 'bad', why: 'driver-restarted' });
      expect(() => supervisor.driverOf('bad' as DeviceSlug)).toThrow('bad');
      drivers.send('good', 'cpu', 1);
      expect(newest('good')).toMatchObject({ v: 1 });
      drivers.failing.clear();
      await clock.advance(120_000);
      await vi.waitFor(() => expect(drivers.log).toContain('started bad'));
      expect(supervisor.driverOf('bad' as DeviceSlug)).toBeDefined();
      drivers.send('bad', 'cpu', 2);
      expect(newest('bad')).toMatchObject({ v: 2, q: 'good' });
    },
  );

  it('waits longer after each failure, a minute at most', async () => {
    drivers.failing.set('bad', 'start');
    await supervisor.apply([hostDevice('bad')]);
    const attempts = () => drivers.log.filter((line) => line === 'created bad').length;
    await vi.waitFor(() => expect(statusOf('bad')?.why).toContain('does not run'));
    const after = [0];
    for (let second = 1; second <= 300; second++) {
      await clock.advance(1000);
      if (attempts() > after.length) after.push(second);
    }
    const pauses = after.slice(1).map((at, index) => at - (after[index] ?? 0));
    expect(pauses.slice(0, 6)).toEqual([1, 2, 4, 8, 16, 32]);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(60);
  });

  it('reports a driver that cannot even be loaded', async () => {
    const spec = InlineDevice.parse({
      id: 'ua',
      driver: 'opcua',
      connect: { url: 'opc.tcp://127.0.0.1:4840' },
      points: { t: { node: 'ns=1;s=T', as: 'float64' } },
    });
    await supervisor.apply([spec, hostDevice('a')]);
    await vi.waitFor(() => expect(statusOf('ua')?.why).toContain('OPC UA is not installed here'));
    await vi.waitFor(() => expect(drivers.log).toContain('started a'));
  });

  it('restarts only the lines of which a device changed', async () => {
    await supervisor.apply([hostDevice('a', 'x'), hostDevice('b', 'y'), hostDevice('c', 'z')]);
    await vi.waitFor(() => expect(drivers.log.filter((line) => line.startsWith('started'))).toHaveLength(3));
    drivers.setOnline('a');
    drivers.setOnline('b');
    drivers.send('a', 'cpu', 1);
    drivers.send('b', 'cpu', 2);
    const number = supervisor
      .devices()
      .get('b' as DeviceSlug)
      ?.numbers.get('cpu' as PointId);
    drivers.log.length = 0;
    const changed = hostDevice('b', 'y', { cpu: {}, more: {} });
    const counts = await supervisor.apply([hostDevice('a', 'x'), changed, hostDevice('d', 'w')]);
    expect(counts).toEqual({ started: 2, stopped: 2 });
    await vi.waitFor(() => expect(drivers.log).toContain('started d'));
    expect(drivers.log.filter((line) => line.endsWith(' a'))).toEqual([]);
    expect(drivers.log).toEqual(expect.arrayContaining(['stopped b', 'stopped c', 'started b', 'started d']));
    expect(statusOf('a')).toMatchObject({ online: true });
    expect(statusOf('b')).toMatchObject({ online: false });
    expect(statusOf('c')).toBeUndefined();
    expect(newest('a')).toMatchObject({ v: 1 });
    expect(newest('b')).toMatchObject({ v: 2 });
    expect(
      supervisor
        .devices()
        .get('b' as DeviceSlug)
        ?.numbers.get('cpu' as PointId),
    ).toBe(number);
  });

  it('stops everything, and what a driver still says afterwards changes nothing', async () => {
    await supervisor.apply([hostDevice('a')]);
    await logged('created a', 'started a');
    await supervisor.stop();
    await supervisor.stop();
    expect(drivers.log).toEqual(['created a', 'started a', 'stopped a']);
    drivers.send('a', 'cpu', 1);
    drivers.setOnline('a');
    expect(newest('a')).toMatchObject({ why: 'not-yet-read' });
    expect(statusOf('a')).toMatchObject({ online: false });
  });

  it('knows nothing of a device it does not have', () => {
    expect(() => supervisor.driverOf('ghost' as DeviceSlug)).toThrow('there is no device "ghost"');
  });
});
