import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeviceSlug, PointId, Value } from '@millwright/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DeviceAlarm, DeviceEvent, Driver } from '../driver.ts';
import { Recorder } from '../testing/index.ts';
import { opcuaDriver } from './index.ts';
import { opcuaDevice } from './test-peer.ts';
import { OpcuaPlant } from './test-plant.ts';

const patience = { timeout: 60_000, interval: 20 };
const slow = { timeout: 150_000 };
const tank = 'tank' as DeviceSlug;
const signal = new AbortController().signal;
const subscribe = { publish: '50ms', queue: 5 };
const until = (check: () => void | Promise<void>) => vi.waitFor(check, patience);

let plant: OpcuaPlant;
let stateDir: string;
let seen: Recorder;
let alarms: DeviceAlarm[];
let lists: string[][];
let events: DeviceEvent[];
let driver: Driver | undefined;

beforeAll(async () => {
  plant = await OpcuaPlant.create({
    variables: 60,
    operationLimits: { maxMonitoredItemsPerCall: 7, maxNodesPerRead: 12 },
  });
}, 60_000);
afterAll(() => plant.dispose(), 60_000);

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'millwright-opcua-test-'));
  seen = new Recorder();
  [alarms, lists, events] = [[], [], []];
});
afterEach(async () => {
  await driver?.stop();
  driver = undefined;
  rmSync(stateDir, { recursive: true, force: true });
}, 60_000);

async function connect(connection: object, points: Readonly<Record<string, object>>): Promise<Driver> {
  const device = opcuaDevice({ id: tank, connect: { url: plant.url, timeout: '3s', ...connection }, points });
  driver = opcuaDriver.create(
    [device],
    seen.deps({
      stateDir,
      onAlarm: (alarm) => alarms.push(alarm),
      onAlarmList: (_, active) => lists.push([...active]),
      onEvent: (event) => events.push(event),
      secret: (name) => (name === 'PLANT_PASSWORD' ? 'correct' : name === 'WRONG' ? 'wrong' : undefined),
    }),
  );
  await driver.start();
  return driver;
}
const up = () => until(() => expect(seen.history(tank).at(-1)).toBe('up'));
const level = { node: 'ns=1;s=level', as: 'float64', subscribe };
const latest = (index: number) => seen.samples.findLast(({ point }) => point === index);

describe('a server with small limits', () => {
  it('gets its monitored items in pieces it can take', slow, async () => {
    const names = Array.from({ length: 60 }, (_, no) => [
      `v${no}`,
      { node: `ns=1;s=v${no}`, as: 'float64', subscribe },
    ]);
    await connect({}, Object.fromEntries(names));
    await until(() => expect(new Set(seen.samples.map(({ v }) => v)).size).toBe(60));
    expect(plant.mostItemsPerCall).toBe(7);
  });
});

describe('methods as actions', () => {
  const call = { on: 'ns=1;s=tank' };
  const points = {
    level,
    drain: { node: 'ns=1;s=drain', as: 'bool', call, write: {} },
    fill: { node: 'ns=1;s=fill', as: 'float64', call, write: { range: [0, 200] } },
    lost: { node: 'ns=1;s=lost', as: 'bool', call, write: {} },
  };
  const write = (to: Driver, point: string, value: Value) =>
    to.write(tank, point as PointId, value, { signal });

  it(
    'are called by a write, with the value or with nothing, and report what they were called with',
    slow,
    async () => {
      const open = await connect({}, points);
      await up();
      expect(latest(1)).toMatchObject({ q: 'bad', why: 'not-yet-read' });
      plant.calls.length = 0;
      await write(open, 'drain', true);
      await write(open, 'fill', 42.5);
      expect(plant.calls).toEqual([['drain'], ['fill', 42.5]]);
      expect(latest(1)).toMatchObject({ v: true, q: 'good' });
      expect(latest(2)).toMatchObject({ v: 42.5, q: 'good' });
      expect(await open.read(tank, 'fill' as PointId, { signal })).toBeNull();
    },
  );

  it('are refused when the machine refuses them, take nothing, or do not exist', slow, async () => {
    const open = await connect({}, points);
    await up();
    plant.calls.length = 0;
    await expect(write(open, 'fill', 150)).rejects.toMatchObject({ code: 'DEVICE_REFUSED' });
    expect(latest(2)).toMatchObject({ q: 'bad' });
    await expect(write(open, 'drain', false)).rejects.toMatchObject({ code: 'VALUE_INVALID' });
    await expect(write(open, 'lost', true)).rejects.toMatchObject({ code: 'DEVICE_REFUSED' });
    expect(plant.calls).toEqual([['fill', 150]]);
  });
});

describe('alarms and events of a server', () => {
  it('are told with their point, when they begin, are acknowledged and end', slow, async () => {
    plant.setLevel(50);
    await connect({ events: { all: true } }, { level });
    await up();
    await until(() => expect(lists).toEqual([[]]));
    plant.setLevel(85);
    await until(() =>
      expect(alarms.at(-1)).toMatchObject({ device: tank, point: 'level', active: true, acked: false }),
    );
    const { alarm } = alarms.at(-1) ?? {};
    expect(alarm).toContain('Overfull');
    plant.acknowledge();
    await until(() => expect(alarms.at(-1)).toMatchObject({ alarm, active: true, acked: true }));
    plant.tell('recipe 7 was loaded');
    await until(() =>
      expect(events.at(-1)).toMatchObject({ message: 'recipe 7 was loaded', source: 'Plant' }),
    );
    plant.setLevel(50);
    await until(() => expect(alarms.at(-1)).toMatchObject({ alarm, active: false }));
  });

  it('are named again after an outage, and nothing is when nothing is active any more', slow, async () => {
    plant.setLevel(85);
    await connect({ events: {} }, { level });
    await until(() => expect(lists.at(-1)).toHaveLength(1));
    expect(alarms.some(({ active }) => active)).toBe(true);
    plant.muteSubscriptions();
    plant.setLevel(50);
    await until(() => expect(lists).toHaveLength(2));
    expect(lists[1]).toEqual([]);
    expect(events.some(({ gap }) => gap !== undefined)).toBe(true);
  });
});

describe('an outage', () => {
  it(
    'of a subscription that died silently ends by itself, and what was missed is read from history',
    slow,
    async () => {
      plant.setLevel(10);
      await connect({}, { level });
      await up();
      await until(() => expect(latest(0)?.v).toBe(10));
      plant.muteSubscriptions();
      const mutedMs = Date.now();
      for (const more of [1, 2, 3]) plant.setLevel(10 + more, new Date(mutedMs + more));
      await until(() => expect(seen.history(tank)).toEqual(['up', 'down', 'up']));
      const told = seen.states.find(({ state }) => !state.online)?.state;
      expect(told?.online === false && told.why).toContain('silent');
      await until(() => expect(latest(0)?.v).toBe(13));
      const good = seen.samples.filter(({ q }) => q === 'good').map(({ v }) => v);
      expect(good.slice(good.indexOf(10), good.lastIndexOf(12) + 1)).toEqual([10, 11, 12]);
      const times = seen.samples.map(({ tSource }) => tSource);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(events.at(-1)?.gap?.recovered).toBe(3);
      expect(events.at(-1)?.message).toContain('3 were read');
    },
  );

  it('is left as a gap where history is not wanted', slow, async () => {
    plant.setLevel(20);
    await connect({ backfill: '0s' }, { level });
    await until(() => expect(latest(0)?.v).toBe(20));
    plant.muteSubscriptions();
    plant.setLevel(21);
    plant.setLevel(22);
    await until(() => expect(events.at(-1)?.gap?.recovered).toBe(0));
    await until(() => expect(latest(0)?.v).toBe(22));
    expect(seen.samples.some(({ v }) => v === 21)).toBe(false);
  });
});

describe('a server with users', () => {
  let guarded: OpcuaPlant;
  beforeAll(async () => {
    guarded = await OpcuaPlant.create({ user: { name: 'gateway', password: 'correct' } });
  }, 60_000);
  afterAll(() => guarded.dispose(), 60_000);

  it('lets us in with name and password, and says why when it does not', slow, async () => {
    const { url } = guarded;
    await connect({ url, username: 'gateway', passwordEnv: 'PLANT_PASSWORD' }, { level });
    await up();
    await driver?.stop();
    await connect({ url, username: 'gateway', passwordEnv: 'WRONG' }, { level });
    await until(() => expect(seen.history(tank).at(-1)).toBe('down'));
    const told = seen.states.at(-1)?.state;
    expect(told?.online === false && told.why).toContain('the server refuses the user "gateway"');
    expect(JSON.stringify([seen.logger.lines, seen.states])).not.toContain('wrong');
    expect(existsSync(join(stateDir, 'opcua', 'pki', 'own', 'certs', 'client_certificate.pem'))).toBe(true);
  });
});
