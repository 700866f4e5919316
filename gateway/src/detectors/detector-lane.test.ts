import type { DeviceSlug, PointId, PointNo, SampleBatch } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { AlarmRegister } from '../alarms/alarm-register.ts';
import { DeviceSupervisor } from '../devices/device-supervisor.ts';
import { hostDevice, MemoryDrivers } from '../devices/memory-driver.fixture.ts';
import { JournalConfig } from '../journal/config.ts';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { KvJournal } from '../journal/kv-journal.ts';
import { Catalog } from '../points/catalog.ts';
import { PointsTable } from '../points/points-table.ts';
import { DetectorLane } from './detector-lane.ts';

describe('the detector lane', () => {
  let clock: MemoryClock;
  let logger: MemoryLogger;
  let drivers: MemoryDrivers;
  let points: PointsTable;
  let supervisor: DeviceSupervisor;
  let alarms: AlarmRegister;
  let lane: DetectorLane;
  let catalog: Catalog;
  let reported: number[];

  beforeEach(async () => {
    clock = new MemoryClock();
    logger = new MemoryLogger();
    drivers = new MemoryDrivers();
    reported = [];
    const kv = await new MemoryKvFile().open();
    const journal = new KvJournal({ clock, logger, file: new MemoryKvFile() }, JournalConfig.parse({}));
    await journal.start();
    alarms = new AlarmRegister({ clock, logger, journal, kv });
    await alarms.start();
    catalog = new Catalog({ logger, stores: [kv] });
    await catalog.load();
    const note = (batch: SampleBatch) => reported.push(...batch.point.subarray(0, batch.length));
    points = new PointsTable({
      clock,
      logger,
      all: [{ name: 'detectors', accept: (batch) => lane.accept(batch) }],
      reported: [{ name: 'note', accept: note }],
    });
    lane = new DetectorLane({ catalog, points, alarms });
    const { modules } = drivers;
    supervisor = new DeviceSupervisor({ clock, logger, catalog, points, modules });
    return async () => {
      await supervisor.stop();
      await alarms.stop();
      await journal.stop();
      expect(logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
    };
  });

  async function run(...specs: Parameters<typeof hostDevice>[]): Promise<void> {
    await supervisor.apply(specs.map((spec) => hostDevice(...spec)));
    await lane.apply(supervisor.devices().values());
    await vi.waitFor(() => expect(drivers.log.filter((line) => line.startsWith('started'))).not.toEqual([]));
  }

  const noOf = (point: string): PointNo =>
    catalog.entries().find((entry) => entry.point === (point as PointId))?.no ?? (9999 as PointNo);
  const feed = (device: string, point: string, values: readonly number[]) => {
    for (const value of values) {
      clock.jumpWall(1000);
      drivers.send(device, point, value);
    }
  };
  const calm = Array.from({ length: 400 }, (_, at) => 20 + Math.sin(at / 10));

  it('gives an analogue point a score of its own, which is quiet while nothing is unusual', async () => {
    await run(['pump', 'x', { temp: { unit: 'Cel' } }]);
    feed('pump', 'temp', calm);
    expect(catalog.entry(noOf('temp.score'))).toMatchObject({ kind: 'float64', class: 'score' });
    expect(points.sample(noOf('temp.score'))?.v).toBeLessThan(0.2);
    expect(reported.filter((no) => no === noOf('temp.score')).length).toBeLessThan(5);
    expect(alarms.active()).toEqual([]);
  });

  it('raises an alarm with a sentence when a value stays unusual, and clears it afterwards', async () => {
    await run(['pump', 'x', { temp: { unit: 'Cel', label: 'bearing temperature' } }]);
    feed('pump', 'temp', [...calm, 60, 61, 62, 63]);
    expect(points.sample(noOf('temp.score'))?.v).toBeGreaterThan(0.5);
    expect(alarms.active()).toMatchObject([
      { device: 'pump', point: 'temp', alarm: 'unusual', kind: 'anomaly' },
    ]);
    expect(alarms.active()[0]?.message).toContain('pump bearing temperature is 62 Cel, expected about');
    feed('pump', 'temp', calm);
    expect(alarms.active()).toEqual([]);
  });

  it('leaves counters, states, bad values and points that have a score already alone', async () => {
    await run([
      'pump',
      'x',
      { total: { class: 'total_increasing' }, mode: { class: 'state' }, temp: {}, 'temp.score': {} },
    ]);
    feed('pump', 'total', [1, 2, 3]);
    expect(catalog.entries().map(({ point }) => point)).toEqual([
      'total',
      'mode',
      'temp',
      'temp.score',
      'temp.score.score',
    ]);
    drivers.setOnline('pump', 'gone');
    drivers.send('pump', 'temp.score', null);
    expect(points.sample(noOf('temp.score.score'))).toMatchObject({ why: 'not-yet-read' });
  });

  it('keeps what it learned of a point when others come, and clears what is no longer watched', async () => {
    await run(['pump', 'x', { temp: {} }]);
    feed('pump', 'temp', [...calm, 60, 61, 62]);
    expect(alarms.active()).toHaveLength(1);
    await run(['pump', 'x', { temp: {} }], ['fan', 'y']);
    expect(alarms.active()).toHaveLength(1);
    await run(['fan', 'y']);
    expect(alarms.active()).toEqual([]);
    expect(supervisor.devices().has('pump' as DeviceSlug)).toBe(false);
    expect(points.sample(noOf('temp.score'))).toBeUndefined();
  });
});
