import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DeviceSpec, PointId, resolveSite, type Value } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Conversation } from '../cli/conversation.ts';
import { LoopbackBroker } from '../mqtt/loopback-broker.fixture.ts';
import { SimulatorConfig, SimulatorsFile } from './config.ts';
import { readRecording } from './replay/recording.ts';
import { pointNames } from './replay/replay.ts';
import { shippedTypeFiles, shippedTypes } from './shipped-types.ts';
import { createSimulator, type Simulator } from './simulator.ts';

const RECORDINGS = join(import.meta.dirname, '../../../../shared/data');
const SKAB = join(RECORDINGS, 'skab/valve1/1.csv');
const NAB = join(RECORDINGS, 'nab/realKnownCause/machine_temperature_system_failure.csv');
const recorded = await access(SKAB).then(
  () => true,
  () => false,
);
const patience = { timeout: 20_000, interval: 20 };
const slow = { timeout: 60_000 };
const { signal } = new AbortController();
const id = (text: string) => PointId.parse(text);

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const each of cleanUp.splice(0).reverse()) await each();
}, slow.timeout);

async function simulate(config: object, secrets: Record<string, string> = {}): Promise<Simulator> {
  const simulator = await createSimulator(SimulatorConfig.parse(config), {
    clock: systemClock,
    logger: new MemoryLogger(),
    secret: (name) => secrets[name],
    folder: RECORDINGS,
  });
  cleanUp.push(() => simulator.stop());
  await simulator.start();
  return simulator;
}

/** The simulator's first device as a site file would have it. */
async function specOf(simulator: Simulator, change = (typeText: string) => typeText): Promise<DeviceSpec> {
  const own = simulator.typeFile?.();
  const types = [...(await shippedTypeFiles())];
  if (own !== undefined) types.push({ name: 'replay.yaml', text: change(own) });
  const site = { name: 'site.yaml', text: JSON.stringify(simulator.devices()) };
  const [spec] = resolveSite({ site, types });
  if (spec === undefined) expect.unreachable('the simulator has no device');
  return spec;
}

async function talkTo(spec: DeviceSpec): Promise<Conversation> {
  const deps = { clock: systemClock, logger: new MemoryLogger(), environment: {} };
  const conversation = await Conversation.with(spec, deps);
  cleanUp.push(() => conversation.stop());
  await conversation.start();
  return conversation;
}

async function everyPointGood(conversation: Conversation): Promise<void> {
  const points = Object.keys(conversation.spec.points).map(id);
  const good = await conversation.awaitGood(points, patience.timeout);
  const missing = points.filter((point) => conversation.sampleOf(point)?.q !== 'good');
  expect({ good, missing, away: conversation.offlineBecause }).toEqual({
    good: true,
    missing: [],
    away: undefined,
  });
}

async function writesAndReadsBack(conversation: Conversation, point: string, value: Value): Promise<void> {
  await conversation.driver.write(conversation.spec.id, id(point), value, { signal });
  await vi.waitFor(async () => {
    const asked = await conversation.driver.read(conversation.spec.id, id(point), { signal });
    expect(asked ?? conversation.sampleOf(id(point))?.v).toBe(value);
  }, patience);
}

describe('simulators through the real drivers', () => {
  it.each([
    ['Modbus/TCP', false],
    ['RTU over TCP', true],
  ])('the pump skid has every point of its type on %s and obeys', slow, async (_name, rtuOverTcp) => {
    const simulator = await simulate({ kind: 'pump-skid', port: 0, rtuOverTcp, speed: 10 });
    const conversation = await talkTo(await specOf(simulator));
    await everyPointGood(conversation);
    await vi.waitFor(() => expect(conversation.sampleOf(id('flow'))?.v).toBeGreaterThan(30), patience);
    await writesAndReadsBack(conversation, 'speed_setpoint', 1400);
    await vi.waitFor(() => expect(conversation.sampleOf(id('speed'))?.v).toBe(1400), patience);
    await writesAndReadsBack(conversation, 'valve_setpoint', 42.5);
    await writesAndReadsBack(conversation, 'run', false);
    await vi.waitFor(() => expect(conversation.sampleOf(id('running'))?.v).toBe(false), patience);
  });

  it('the energy meter has every point of its type and obeys', slow, async () => {
    const conversation = await talkTo(
      await specOf(await simulate({ kind: 'energy-meter', port: 0, speed: 10 })),
    );
    await everyPointGood(conversation);
    expect(conversation.sampleOf(id('voltage_l1'))?.v).toBeGreaterThan(215);
    expect(conversation.sampleOf(id('energy'))?.v).toBeGreaterThan(10_000);
    await writesAndReadsBack(conversation, 'demand_limit', 40);
    await writesAndReadsBack(conversation, 'breaker', false);
    await vi.waitFor(() => expect(conversation.sampleOf(id('power'))?.v).toBe(0), patience);
  });

  it('the air handler has every point of its type and obeys', slow, async () => {
    const conversation = await talkTo(await specOf(await simulate({ kind: 'air-handler', port: 0 })));
    await everyPointGood(conversation);
    await writesAndReadsBack(conversation, 'supply_setpoint', 21.5);
    await writesAndReadsBack(conversation, 'mode', 2n);
    const out = conversation.driver.write(conversation.spec.id, id('supply_setpoint'), 60, { signal });
    await expect(out).rejects.toMatchObject({ name: 'InvalidInputError' });
  });

  it('the room sensors tell every point, obey, and are offline when they end', slow, async () => {
    const broker = await LoopbackBroker.create({
      authenticate: (_client, username, password, done) =>
        done(null, `${username}:${password}` === 'sims:open'),
    });
    await broker.start();
    cleanUp.push(() => broker.dispose());
    const simulator = await simulate(
      {
        kind: 'mqtt-sensors',
        broker: broker.url,
        username: 'sims',
        passwordEnv: 'SIMS_PASSWORD',
        rooms: ['office', 'lab'],
        thermostats: ['office'],
        every: '1s',
      },
      { SIMS_PASSWORD: 'open' },
    );
    const spec = await specOf(simulator);
    if (spec.driver !== 'mqtt') expect.unreachable('a room speaks MQTT');
    const login = { ...spec.connect, username: 'sims', passwordEnv: 'SIMS_PASSWORD' };
    const conversation = await Conversation.with(
      { ...spec, connect: login },
      { clock: systemClock, logger: new MemoryLogger(), environment: { SIMS_PASSWORD: 'open' } },
    );
    cleanUp.push(() => conversation.stop());
    await conversation.start();
    await everyPointGood(conversation);
    await writesAndReadsBack(conversation, 'setpoint', 23.5);
    await writesAndReadsBack(conversation, 'relay', true);
    await vi.waitFor(() => expect(conversation.sampleOf(id('automatic'))?.v).toBe(false), patience);
    await simulator.stop();
    await vi.waitFor(() => expect(conversation.offlineBecause).toContain('announced offline'), patience);
  });

  it.skipIf(!recorded)(`a SKAB run is read from Modbus row by row (needs ${SKAB})`, slow, async () => {
    const recording = await readRecording(SKAB);
    const simulator = await simulate({ kind: 'replay', file: SKAB, port: 0, speed: 5 });
    const conversation = await talkTo(
      await specOf(simulator, (text) => text.replace('fast: 1s', 'fast: 50ms')),
    );
    const points = pointNames(recording).map(id);
    await everyPointGood(conversation);
    const rows = recording.offsetsMs.length;
    const seen: number[] = [];
    await vi.waitFor(() => {
      const now = points.map((point) => conversation.sampleOf(point)?.v);
      const row = Array.from({ length: rows }, (_, at) => at).find((at) =>
        now.every((value, column) => recording.values[column]?.[at] === value),
      );
      if (row !== undefined && row !== seen.at(-1)) seen.push(row);
      expect(seen.length).toBeGreaterThan(8);
    }, patience);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });

  it.skipIf(!recorded)(`a NAB series is read from MQTT value by value (needs ${NAB})`, slow, async () => {
    const recording = await readRecording(NAB);
    const broker = await LoopbackBroker.create();
    await broker.start();
    cleanUp.push(() => broker.dispose());
    const simulator = await simulate({ kind: 'replay', file: NAB, broker: broker.url, speed: 1500 });
    const conversation = await talkTo(await specOf(simulator));
    const seen: Value[] = [];
    await vi.waitFor(() => {
      const value = conversation.sampleOf(id('value'))?.v;
      if (value !== undefined && value !== seen.at(-1)) seen.push(value);
      expect(seen.length).toBeGreaterThan(8);
    }, patience);
    // A busy machine may miss a row; none may come out of order or changed.
    const column = [...(recording.values[0] ?? [])];
    let at = -1;
    for (const value of seen) {
      at = column.indexOf(Number(value), at + 1);
      expect(at).toBeGreaterThanOrEqual(0);
    }
    expect(at).toBeLessThan(100);
  });
});

describe('simulator configuration', () => {
  it('gives each shipped type to a simulator or to this machine', async () => {
    const names = (await shippedTypes()).map((type) => type.type);
    expect(names).toEqual([
      'air-handler@1',
      'energy-meter@1',
      'pump-skid@1',
      'room-sensor@1',
      'room-thermostat@1',
      'this-machine@1',
    ]);
  });

  it.each([
    [[{ kind: 'pump-skid' }, { kind: 'pump-skid' }], 'another simulator is called "pump-skid"'],
    [[{ kind: 'pump-skid', port: 70_000 }], '65535'],
    [[{ kind: 'replay', file: 'a.csv' }], 'needs exactly one of "port" (Modbus) and "broker" (MQTT)'],
    [[{ kind: 'mqtt-sensors', broker: 'localhost' }], 'must be an mqtt:// or mqtts:// URL'],
    [[{ kind: 'mqtt-sensors', base: 'a/#' }], 'without wildcards'],
    [[], '>=1'],
  ])('refuses %j and says why', (list, reason) => {
    const parsed = SimulatorsFile.safeParse(list);
    expect(parsed.error?.issues.map((issue) => issue.message).join()).toContain(reason);
  });

  it('says which variable holds no password and which room is unknown', async () => {
    const sensors = { kind: 'mqtt-sensors', broker: 'mqtt://127.0.0.1:1' };
    await expect(simulate({ ...sensors, passwordEnv: 'NOT_SET' })).rejects.toMatchObject({
      code: 'PASSWORD_MISSING',
    });
    await expect(simulate({ ...sensors, thermostats: ['attic'] })).rejects.toMatchObject({
      code: 'SIMULATOR_ROOM',
    });
  });

  it('names the type of a replay after its file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millwright-simulator-test-'));
    cleanUp.push(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, 'flat.csv'), 'time,a\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:01Z,2\n');
    const simulator = await simulate({
      kind: 'replay',
      file: join(folder, 'flat.csv'),
      port: 0,
      as: 'float32',
    });
    expect(simulator.typeFile?.()).toContain('as: float32');
    expect(simulator.devices()[0]?.type).toBe('replay-flat@1');
  });
});
