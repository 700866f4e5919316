import { DRIVER_MODULES, type Driver, type DriverDevice } from '@millwright/device-drivers';
import { InlineDevice, PointId, PointNo, type Sample } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node/system-clock';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { TcpProxy, type Weather } from '../support/tcp-proxy.ts';
import { type Asked, ModbusTestDevice, truth } from './support/modbus-peer.ts';

const ADDRESSES = Array.from({ length: 60 }, (_, i) => 40 * i);
const patience = { timeout: 60_000, interval: 50 };
const slow = { timeout: 240_000 };

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const each of cleanUp.splice(0).reverse()) await each();
});

async function peer(behave: (asked: readonly Asked[]) => readonly Buffer[]) {
  const device = new ModbusTestDevice(behave);
  const port = await device.start();
  cleanUp.push(() => device.stop());
  return { device, port };
}

/** Reads 60 points that no request can serve together, and sees whether any is ever wrong. */
async function reading(port: number, connect: object = {}) {
  const spec = InlineDevice.parse({
    id: 'plant',
    driver: 'modbus',
    connect: { tcp: `127.0.0.1:${port}`, unit: 1, timeout: '200ms', ...connect },
    scans: { fast: '100ms' },
    points: Object.fromEntries(ADDRESSES.map((at) => [`p${at}`, { at, as: 'uint16' }])),
  });
  if (spec.driver !== 'modbus') throw new TypeError('not Modbus');
  const numbers = new Map(ADDRESSES.map((at, no) => [PointId.parse(`p${at}`), PointNo.parse(no)]));
  const device: DriverDevice<'modbus'> = { spec, numbers };
  const latest = new Map<number, Sample>();
  const wrong: Sample[] = [];
  const states: boolean[] = [];
  const seen = { samples: 0 };
  const driver: Driver = (await DRIVER_MODULES.modbus()).create([device], {
    clock: systemClock,
    logger: new MemoryLogger(),
    onState: (_device, { online }) => states.push(online),
    sink: (batch) => {
      for (let row = 0; row < batch.length; row++) {
        const sample = batch.sampleAt(row);
        latest.set(sample.point, sample);
        seen.samples++;
        const expected = sample.q === 'good' ? truth(ADDRESSES[sample.point] ?? -1) : null;
        if (sample.v !== expected) wrong.push(sample);
      }
    },
  });
  await driver.start();
  cleanUp.push(() => driver.stop());
  /** All points were read anew, and are good. */
  const healed = async () => {
    latest.clear();
    const good = () => [...latest.values()].filter(({ q }) => q === 'good').length;
    await expect.poll(good, patience).toBe(ADDRESSES.length);
  };
  return { healed, wrong, states, seen };
}

describe('a Modbus device behind a bad network', () => {
  const WEATHERS: Readonly<Record<string, Partial<Weather>>> = {
    'that refuses connections': { refuse: true },
    'that swallows everything': { blackhole: true },
    'that ends connections in the middle of an answer': { lifeBytes: 97 },
    'that is slower than the timeout': { latencyMs: 150 },
    'that is slow': { latencyMs: 20 },
  };

  it.each(Object.keys(WEATHERS))('%s is never read wrong, and read again after it', slow, async (name) => {
    const { port } = await peer((asked) => asked.map((each) => each.frame()));
    const proxy = new TcpProxy({ port });
    await proxy.start();
    cleanUp.push(() => proxy.stop());
    const { healed, wrong } = await reading(proxy.port);
    await healed();
    for (let round = 0; round < 3; round++) {
      proxy.weather = WEATHERS[name] ?? {};
      proxy.cut();
      await new Promise((resolve) => setTimeout(resolve, 700));
      proxy.weather = {};
      await healed();
    }
    expect(wrong).toEqual([]);
  });

  it(
    'that puts foreign bytes into the stream is never read wrong, and read again after it',
    slow,
    async () => {
      const { port } = await peer((asked) => asked.map((each) => each.frame()));
      const proxy = new TcpProxy({ port });
      await proxy.start();
      cleanUp.push(() => proxy.stop());
      const { healed, wrong } = await reading(proxy.port);
      for (const bytes of [
        Buffer.alloc(3, 0xff),
        Buffer.from('HTTP/1.1 400\r\n\r\n'),
        Buffer.alloc(5000, 1),
      ]) {
        await healed();
        proxy.inject(bytes, 'down');
        proxy.inject(bytes, 'up');
      }
      await healed();
      expect(wrong).toEqual([]);
    },
  );
});

describe('a Modbus device that is asked several things at once', () => {
  it.each([
    ['pipelined', { pipeline: 6, timeout: '2s' }],
    ['over three connections', { connections: 3, pipeline: 2, timeout: '2s' }],
  ])(
    '%s and answers them in any order, twice, or for nobody, is never read wrong',
    slow,
    async (_, connect) => {
      const { port, device } = await peer((asked) =>
        [...asked].reverse().flatMap((each) => {
          const strange = each.frame({ lie: 1, transaction: 40_000 + each.nth });
          const again = each.frame({ lie: 2 });
          return each.nth % 5 === 0 ? [strange, each.frame(), again] : [each.frame()];
        }),
      );
      const { healed, wrong, states } = await reading(port, connect);
      for (let round = 0; round < 5; round++) await healed();
      expect(wrong).toEqual([]);
      expect(states).toEqual([true]);
      expect(device.requests).toBeGreaterThan(5 * ADDRESSES.length);
    },
  );

  it('and does not answer each of them is read all the same', slow, async () => {
    const { port } = await peer((asked) =>
      asked.filter(({ nth }) => nth % 97 !== 0).map((each) => each.frame()),
    );
    const { healed, wrong } = await reading(port, { pipeline: 6 });
    for (let round = 0; round < 5; round++) await healed();
    expect(wrong).toEqual([]);
  });

  it('but answers only the first of them is found out, and read one at a time', slow, async () => {
    const { port } = await peer((asked) => asked.slice(0, 1).map((each) => each.frame()));
    const { healed, wrong, states } = await reading(port, { timeout: '1s' });
    for (let round = 0; round < 5; round++) await healed();
    expect(wrong).toEqual([]);
    expect(states).toEqual([true]);
  });
});
