import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir, totalmem, uptime } from 'node:os';
import { dirname, join } from 'node:path';
import {
  type DeviceSpecOf,
  HOST_METRICS,
  InlineDevice,
  PointId,
  PointNo,
  type Value,
} from '@millwright/protocol';
import { MemoryClock } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DriverDevice } from '../driver.ts';
import { describeDriver, Recorder } from '../testing/index.ts';
import { hostDriver } from './index.ts';
import { MachineFiles } from './machine-files.ts';
import { type HostMetric, sourcesOf } from './sources.ts';

const id = (text: string) => PointId.parse(text);

function machine(metrics: readonly HostMetric[], connect: object = {}): DriverDevice<'host'> {
  const points = Object.fromEntries(metrics.map((metric) => [metric, { metric }]));
  const spec = InlineDevice.parse({ id: 'box', driver: 'host', connect, points }) as DeviceSpecOf<'host'>;
  return { spec, numbers: new Map(metrics.map((metric, no) => [id(metric), PointNo.parse(no)])) };
}

describeDriver({
  module: hostDriver,
  createPeer: async () => ({
    device: machine(
      HOST_METRICS.filter((metric) => metric !== 'cpu.temperature'),
      { every: '50ms' },
    ),
    start: async () => undefined,
    stop: async () => undefined,
    set: async () => undefined,
    get: async (): Promise<Value> => uptime(),
    connections: () => 0,
    dispose: async () => undefined,
  }),
  points: { number: id('uptime') },
  values: [0, 1],
  unplugs: false,
  reads: true,
});

describe('host driver', () => {
  it('tells values in their declared units', async () => {
    const seen = new Recorder();
    const device = machine(HOST_METRICS, { every: '50ms' });
    const driver = hostDriver.create([device], seen.deps());
    await driver.start();
    const of = (metric: HostMetric) => seen.latest(device.numbers.get(id(metric)) ?? PointNo.parse(99))?.v;
    await vi.waitFor(() => expect(of('network.sent')).toBeTypeOf('number'), 5000);
    await vi.waitFor(() => expect(of('cpu.load')).toBeTypeOf('number'), 5000);
    expect(Number(of('memory.used')) + Number(of('memory.available'))).toBe(totalmem());
    expect(Math.abs(Number(of('uptime')) - uptime())).toBeLessThan(60);
    expect(of('cpu.load')).toBeGreaterThanOrEqual(0);
    expect(of('cpu.load')).toBeLessThanOrEqual(100);
    expect(of('load.1m')).toBeLessThan(1000 * availableParallelism());
    expect(of('disk.free')).toBeGreaterThan(0);
    expect(of('network.received')).toBeGreaterThanOrEqual(0);
    const { signal } = new AbortController();
    expect(await driver.read(device.spec.id, id('memory.used'), { signal })).toBeTypeOf('number');
    await driver.stop();
  });

  it('says once that a disk cannot be read, and the other values go on', async () => {
    const seen = new Recorder();
    const clock = new MemoryClock();
    const device = machine(['disk.free', 'uptime'], { disk: '/no/such/mount' });
    const driver = hostDriver.create([device], seen.deps({ clock }));
    await driver.start();
    await vi.waitFor(() => expect(seen.logger.lines).toHaveLength(1));
    for (let second = 0; second < 3; second++) await clock.advance(1000);
    await vi.waitFor(() => expect(seen.of(PointNo.parse(1)).length).toBeGreaterThan(2));
    expect(seen.of(PointNo.parse(0))).toMatchObject([{ v: null, q: 'bad', why: 'device-error' }]);
    expect(seen.logger.lines).toMatchObject([{ level: 'warn', message: 'this machine cannot be read' }]);
    await driver.stop();
  });

  it('refuses to write', async () => {
    const device = machine(['uptime']);
    const driver = hostDriver.create([device], new Recorder().deps());
    const { signal } = new AbortController();
    await expect(driver.write(device.spec.id, id('uptime'), 1, { signal })).rejects.toMatchObject({
      code: 'NOT_WRITABLE',
    });
  });
});

describe('what Linux tells about the machine', () => {
  let root: string;
  const put = async (path: string, content: string) => {
    const file = join(root, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  };
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'millwright-host-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  /** name → bytes received and sent */
  const cards = async (table: Readonly<Record<string, readonly [number, number]>>) => {
    const rows = Object.entries(table).map(
      ([name, [received, sent]]) => `  ${name}: ${received} 9 0 0 0 0 0 0 ${sent} 9 0 0 0 0 0 0`,
    );
    await put('proc/net/dev', ['Inter-| Receive | Transmit', ' face |bytes packets', ...rows, ''].join('\n'));
    for (const name of Object.keys(table)) await put(`sys/class/net/${name}/mtu`, '1500\n');
  };

  it('counts physical interfaces, and others only where there is none', async () => {
    const files = new MachineFiles(root);
    const count = async () => files.network(await files.interfaces());
    expect(await count()).toBeNull();
    await cards({ lo: [1000, 1000], veth0: [10, 20] });
    expect(await count()).toEqual({ receivedBytes: 10, sentBytes: 20 });
    await cards({ lo: [1000, 1000], veth0: [10, 20], eth0: [300, 400], eth1: [1, 1] });
    await put('sys/class/net/eth0/device/vendor', '0x8086\n');
    await put('sys/class/net/eth1/device/vendor', '0x8086\n');
    expect(await count()).toEqual({ receivedBytes: 301, sentBytes: 401 });
  });

  it('turns counters into bytes per second and does not believe one that went back', async () => {
    const clock = new MemoryClock();
    const files = new MachineFiles(root);
    const network = sourcesOf({ clock, disk: '/', platform: 'linux', files })[4];
    await cards({ eth0: [1000, 100] });
    expect(await network?.read()).toEqual(['unknown', 'unknown']);
    await clock.advance(2000);
    await cards({ eth0: [5000, 300] });
    expect(await network?.read()).toEqual([2000, 100]);
    await clock.advance(1000);
    await cards({ eth0: [10, 400] });
    expect(await network?.read()).toEqual(['unknown', 100]);
  });

  it('finds the processor among the sensors, whichever way the board tells it', async () => {
    const files = new MachineFiles(root);
    expect(await files.temperatureFile()).toBeNull();
    await put('sys/class/hwmon/hwmon0/name', 'nvme\n');
    await put('sys/class/hwmon/hwmon0/temp1_input', '61000\n');
    expect(await files.temperatureFile()).toBeNull();
    await put('sys/class/thermal/thermal_zone0/type', 'cpu-thermal\n');
    await put('sys/class/thermal/thermal_zone0/temp', '48250\n');
    expect(await files.temperatureFile()).toMatch(/thermal_zone0\/temp$/);
    expect(await files.temperatureC((await files.temperatureFile()) ?? '')).toBe(48.25);
    await put('sys/class/hwmon/hwmon1/name', 'coretemp\n');
    await put('sys/class/hwmon/hwmon1/temp1_input', '50000\n');
    expect(await files.temperatureFile()).toMatch(/hwmon1\/temp1_input$/);
  });

  it('says that there is no sensor, and finds one that appears later', async () => {
    const clock = new MemoryClock();
    const files = new MachineFiles(root);
    const temperature = sourcesOf({ clock, disk: '/', platform: 'linux', files })[5];
    expect(await temperature?.read()).toEqual(['absent']);
    await put('sys/class/hwmon/hwmon0/name', 'coretemp\n');
    await put('sys/class/hwmon/hwmon0/temp1_input', '50000\n');
    await clock.advance(60_000);
    expect(await temperature?.read()).toEqual([50]);
  });
});
