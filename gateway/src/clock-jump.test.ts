import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type DeviceSlug,
  decodeFrame,
  InlineDevice,
  type PointId,
  type Receipt,
  reasonOf,
  SampleBatch,
  type WriteCommand,
} from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readGatewayConfig } from './config.ts';
import { MemoryDrivers } from './devices/memory-driver.fixture.ts';
import { MemoryKvFile } from './journal/kv/memory-kv.ts';
import { Lanes } from './lanes.ts';

const DAY = 86_400_000;
const JUMPS = [
  ['a day ahead', DAY],
  ['a day back', -DAY],
  ['an hour back, as a clock in local time at the end of summer', -3_600_000],
  ['an hour ahead, as one at its beginning', 3_600_000],
  ['a leap second', -1000],
] as const;

const PUMP = InlineDevice.parse({
  id: 'pump',
  driver: 'mqtt',
  connect: { broker: 'local' },
  points: {
    temp: {
      topic: 'p/temp',
      as: 'float64',
      stale: '60s',
      alarms: {
        hi: { at: 80, delay: '20s', offDelay: '20s', acknowledge: false },
        fast: { change: 50, within: '30s', acknowledge: false },
      },
    },
    speed: {
      topic: 'p/speed',
      as: 'float64',
      command: { topic: 'p/speed/set' },
      write: { rate: { every: '30s' }, confirm: { readback: '10s' } },
    },
  },
});
const NAME = { device: 'pump' as DeviceSlug, point: 'temp' as PointId, alarm: 'hi' };

describe('a wall clock that jumps', () => {
  let clock: MemoryClock;
  let drivers: MemoryDrivers;
  let lanes: Lanes;
  let folder: string;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-clock-'));
    writeFileSync(
      join(folder, 'gateway.yaml'),
      'name: box\nsite: here\ndevices: site.yaml\ndetectors: false\n',
    );
    clock = new MemoryClock(Date.UTC(2026, 9, 24, 22));
    drivers = new MemoryDrivers();
    const stateStore = await new MemoryKvFile().open();
    lanes = new Lanes(
      {
        ...{ clock, logger: new MemoryLogger(), modules: drivers.modules, stateStore },
        journalFile: new MemoryKvFile(),
        catalogCopy: await new MemoryKvFile().open(),
        localBroker: () => undefined,
        secret: () => undefined,
        driverDir: '',
      },
      await readGatewayConfig(join(folder, 'gateway.yaml'), {}),
    );
    const starting = lanes.start();
    await clock.advance(0);
    await starting;
    await lanes.apply([PUMP]);
    await expect.poll(() => drivers.log).toContain('started pump');
    drivers.setOnline('pump');
  });
  afterEach(async () => {
    const stopping = lanes.stop();
    await clock.advance(30_000);
    await stopping;
    rmSync(folder, { recursive: true, force: true });
  });

  /** A value each second, as long as asked. */
  async function feed(value: number, seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      drivers.send('pump', 'temp', value);
      await clock.advance(1000);
    }
  }
  /** Writes a point, which says its new value a moment later. */
  async function written(id: string): Promise<Receipt> {
    const nowMs = clock.wallMs();
    let receipt: Receipt | undefined;
    const command: WriteCommand = {
      ...{ id: `write-${id}`, device: NAME.device, point: 'speed' as PointId, value: 5 },
      by: { name: 'ann', role: 'operator' },
      ...{ issuedAtMs: nowMs, expiresAtMs: nowMs + 60_000 },
    };
    void lanes.commands.handle(command).then((answer) => {
      receipt = answer;
    });
    while (receipt === undefined) {
      drivers.send('pump', 'speed', 5);
      await clock.advance(50);
    }
    return receipt;
  }
  const isRaised = (alarm: string) => lanes.alarms.active().some((active) => active.alarm === alarm);
  const quality = () => {
    const no = lanes.devices.devices().get(NAME.device)?.numbers.get(NAME.point);
    return no === undefined ? undefined : lanes.points.sample(no);
  };

  it.each(JUMPS)('%s changes no delay of an alarm, no rate and no staleness', async (_, byMs) => {
    await feed(20, 40);
    await feed(90, 10);
    clock.jumpWall(byMs);
    await feed(90, 9);
    expect(isRaised('hi')).toBe(false);
    expect(isRaised('fast')).toBe(true);
    await feed(90, 3);
    expect(isRaised('hi')).toBe(true);
    await feed(90, 20);
    expect(isRaised('fast')).toBe(false);
    await feed(70, 10);
    clock.jumpWall(byMs);
    await feed(70, 9);
    expect(isRaised('hi')).toBe(true);
    await feed(70, 3);
    expect(isRaised('hi')).toBe(false);
    clock.jumpWall(byMs);
    await clock.advance(50_000);
    expect(quality()?.why).not.toBe('stale');
    await clock.advance(15_000);
    expect(quality()).toMatchObject({ q: 'uncertain', why: 'stale' });
  });

  it.each(JUMPS)('%s ends no shelf early or late, and lets no write through too soon', async (_, byMs) => {
    await feed(90, 25);
    const shelving = lanes.alarms.request(NAME, { action: 'shelve', by: 'ann', reason: 'x', forMs: 60_000 });
    await clock.advance(0);
    await shelving;
    expect((await written('one')).result).toBe('done');
    clock.jumpWall(byMs);
    expect((await written('two')).code).toBe('RATE');
    await feed(90, 40);
    expect(lanes.alarms.list().map(({ state }) => state)).toContain('shelved');
    await feed(90, 20);
    expect(isRaised('hi')).toBe(true);
  });

  it.each(JUMPS)('%s keeps the order of samples, flags what cannot be true, and is told', async (_, byMs) => {
    const values: number[] = [];
    for (let value = 0; value < 60; value++) {
      if (value === 30) clock.jumpWall(byMs);
      drivers.send('pump', 'temp', value);
      values.push(value);
      await clock.advance(1000);
    }
    await clock.advance(120_000);
    const entries = await lanes.journal.entriesAfter(null, 64);
    const rows = entries.flatMap((entry) => {
      if (entry.kind !== 'frame') return [];
      const frame = decodeFrame(entry.bytes);
      const batch = new SampleBatch(frame.header.sampleCount);
      frame.readAll(batch);
      return Array.from({ length: batch.length }, (_row, row) => ({
        no: batch.point[row],
        value: batch.valueAt(row),
        why: reasonOf(batch.quality[row] ?? 0),
      }));
    });
    const no = lanes.devices.devices().get(NAME.device)?.numbers.get(NAME.point);
    const own = rows.filter((row) => row.no === no && row.value !== null && row.why !== 'stale');
    expect(own.map(({ value }) => value)).toEqual(values);
    const flagged = own.filter(({ why }) => why === 'clock-skew').map(({ value }) => value);
    expect(flagged).toEqual(byMs < -1000 ? [30] : []);
    const gaps = entries.flatMap((entry) => (entry.kind === 'gap' ? [entry.gap] : []));
    const told = gaps.filter(({ reason }) => reason === 'clock-jump');
    expect(told).toMatchObject(Math.abs(byMs) < 2000 ? [] : [{ samples: 0, detail: expect.any(String) }]);
    for (const gap of told) expect(gap.toMs - gap.fromMs).toBe(Math.abs(byMs));
  });
});
