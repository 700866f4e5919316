import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeviceSlug, PointId, Value } from '@millwright/protocol';
import { StatusCodes } from 'node-opcua-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Driver } from '../driver.ts';
import { Recorder } from '../testing/index.ts';
import { opcuaDriver, opcuaWorkerPid } from './index.ts';
import { Cable, OpcuaTestServer, opcuaDevice } from './test-peer.ts';
import { TrustList } from './trust-list.ts';
import { BuiltIn } from './values.ts';

const patience = { timeout: 30_000, interval: 20 };
const slow = { timeout: 90_000 };
const press = 'press' as DeviceSlug;
const signal = new AbortController().signal;
const names = ['temp', 'count', 'running', 'state', 'byte'];
const subscribe = { publish: '50ms', queue: 5 };

let server: OpcuaTestServer;
let cable: Cable;
let stateDir: string;
let seen: Recorder;
let driver: Driver | undefined;
/** Keeps the worker from one test to the next: starting it is most of a test's time. */
let keeper: Driver;

beforeAll(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'millwright-opcua-test-'));
  server = await OpcuaTestServer.create({
    temp: { dataType: BuiltIn.Double, value: 20 },
    count: { dataType: BuiltIn.Int64, value: [0xffffffff, 0xfffffffb] },
    running: { dataType: BuiltIn.Boolean, value: true },
    state: { dataType: BuiltIn.String, value: 'idle' },
    byte: { dataType: BuiltIn.Byte, value: 7 },
  });
  const connection = { url: `opc.tcp://127.0.0.1:${server.port}`, timeout: '3s' };
  const points = { temp: { node: 'ns=1;s=temp', as: 'float64' } };
  const deps = new Recorder().deps({ stateDir });
  keeper = opcuaDriver.create([opcuaDevice({ id: 'keeper', connect: connection, points })], deps);
  await keeper.start();
}, 60_000);

afterAll(async () => {
  await keeper.stop();
  await server.dispose();
  rmSync(stateDir, { recursive: true, force: true });
}, 60_000);

beforeEach(async () => {
  cable = new Cable(() => server.port);
  await cable.plugIn();
  seen = new Recorder();
});

afterEach(async () => {
  await driver?.stop();
  await cable.pull();
  driver = undefined;
}, 60_000);

const until = (check: () => void) => vi.waitFor(check, patience);
const latest = (index: number) => seen.samples.findLast(({ point }) => point === index);

async function connect(connection: object = {}, more: object = {}): Promise<Driver> {
  const kinds: Readonly<Record<string, string>> = { count: 'int64', running: 'bool', state: 'text' };
  const points = names.map((name) => [
    name,
    { node: `ns=1;s=${name}`, as: kinds[name] ?? 'float64', subscribe },
  ]);
  const device = opcuaDevice({
    id: press,
    connect: { url: `opc.tcp://127.0.0.1:${cable.port}`, timeout: '3s', ...connection },
    points: { ...Object.fromEntries(points), ...more },
  });
  driver = opcuaDriver.create([device], seen.deps({ stateDir }));
  await driver.start();
  await until(() => expect(seen.history(press).at(-1)).toBe('up'));
  return driver;
}

const write = (to: Driver, name: string, value: Value) => to.write(press, name as PointId, value, { signal });
const read = (from: Driver, name: string) => from.read(press, name as PointId, { signal });

describe('values of an OPC UA server', () => {
  it('arrive in their kinds, with quality and time of the server', slow, async () => {
    await connect();
    await until(() => expect([0, 1, 2, 3, 4].map((no) => latest(no)?.v)).toEqual([20, -5n, true, 'idle', 7]));
    server.fail('temp', StatusCodes.BadSensorFailure);
    await until(() => expect(latest(0)).toMatchObject({ v: null, q: 'bad', why: 'sensor-fault' }));
    server.set('temp', { dataType: BuiltIn.Double, value: 21.5 });
    await until(() => expect(latest(0)).toMatchObject({ v: 21.5, q: 'good' }));
    expect(seen.history(press)).toEqual(['up']);
  });

  it('are missing alone when their node does not exist', slow, async () => {
    await connect({}, { lost: { node: 'ns=1;s=lost', as: 'float64', subscribe } });
    await until(() => expect(latest(5)).toMatchObject({ v: null, q: 'bad', why: 'illegal-address' }));
    await until(() => expect(latest(0)?.q).toBe('good'));
  });

  it('are written in the type of their node, or refused', slow, async () => {
    const open = await connect();
    await write(open, 'temp', 30);
    await write(open, 'count', -7n);
    await write(open, 'running', false);
    await write(open, 'state', 'läuft');
    await write(open, 'byte', 255);
    const values = await Promise.all(names.map((name) => read(open, name)));
    expect(values).toEqual([30, -7n, false, 'läuft', 255]);
    await expect(write(open, 'byte', 256)).rejects.toMatchObject({ code: 'VALUE_INVALID' });
    await expect(write(open, 'running', 'yes')).rejects.toMatchObject({ code: 'VALUE_INVALID' });
    server.fail('temp', StatusCodes.BadDeviceFailure);
    await expect(read(open, 'temp')).rejects.toMatchObject({ code: 'VALUE_BAD' });
    server.set('temp', { dataType: BuiltIn.Double, value: 20 });
  });

  it('cross a signed and encrypted channel, with our certificate in the given folder', slow, async () => {
    const certificate = await server.certificate();
    await new TrustList({ folder: join(stateDir, 'opcua', 'pki') }).import(certificate);
    await connect({ security: 'Basic256Sha256', mode: 'sign+encrypt' });
    await until(() => expect(latest(0)?.q).toBe('good'));
    expect(existsSync(join(stateDir, 'opcua', 'pki', 'own', 'certs', 'client_certificate.pem'))).toBe(true);
  });
});

describe('an OPC UA line comes back by itself', () => {
  const back = async (value: number, history: string[]) => {
    await until(() => expect(seen.history(press)).toEqual(history));
    server.set('temp', { dataType: BuiltIn.Double, value });
    await until(() => expect(latest(0)).toMatchObject({ v: value, q: 'good' }));
  };

  it('after the server was restarted', slow, async () => {
    await connect();
    await server.stop();
    await until(() => expect(seen.history(press)).toEqual(['up', 'down']));
    await until(() => expect(latest(0)).toMatchObject({ v: null, q: 'bad', why: 'disconnected' }));
    await server.start();
    await back(41, ['up', 'down', 'up']);
  });

  it('after the server has forgotten the session', slow, async () => {
    await connect();
    server.dropSessions();
    await back(42, ['up', 'down', 'up']);
    await until(() => expect(server.sessions).toBe(2));
  });

  it('after the connection fell silent without breaking', slow, async () => {
    await connect();
    cable.isSilent = true;
    await until(() => expect(seen.history(press)).toEqual(['up', 'down']));
    const told = seen.states.at(-1)?.state;
    expect(told?.online === false && told.why).toContain('silent');
    cable.isSilent = false;
    await back(43, ['up', 'down', 'up']);
  });

  it('after the worker was killed', slow, async () => {
    const open = await connect();
    const pid = opcuaWorkerPid();
    if (pid === undefined) throw new RangeError('there is no worker');
    process.kill(pid, 'SIGKILL');
    await until(() => expect(seen.history(press)).toEqual(['up', 'down']));
    expect(latest(0)).toMatchObject({ v: null, q: 'bad', why: 'driver-restarted' });
    await expect(write(open, 'temp', 1)).rejects.toMatchObject({ code: 'DEVICE_OFFLINE' });
    await back(44, ['up', 'down', 'up']);
    expect(opcuaWorkerPid()).not.toBe(pid);
  });
});

describe('the OPC UA worker', () => {
  beforeAll(() => keeper.stop());

  const isAlive = (pid: number) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };

  it('serves all lines and ends with the last', slow, async () => {
    const first = await connect();
    const pid = opcuaWorkerPid() ?? 0;
    const second = await connect();
    expect(opcuaWorkerPid()).toBe(pid);
    await first.stop();
    expect(isAlive(pid)).toBe(true);
    await until(() => expect(latest(0)?.q).toBe('good'));
    await second.stop();
    expect(isAlive(pid)).toBe(false);
    expect(opcuaWorkerPid()).toBeUndefined();
  });

  it(
    'ends when the process it works for is killed, and leaves nothing in the home folder',
    slow,
    async () => {
      const home = mkdtempSync(join(tmpdir(), 'millwright-home-'));
      const temp = join(home, 'tmp');
      mkdirSync(temp);
      const device = { url: `opc.tcp://127.0.0.1:${cable.port}`, timeout: '3s' };
      const parent: ChildProcess = spawn(
        process.execPath,
        ['--input-type=module', '-e', PARENT, import.meta.url, JSON.stringify(device)],
        {
          env: { PATH: process.env.PATH, HOME: home, TMPDIR: temp },
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      try {
        const [line]: unknown[] = await once(parent.stdout ?? parent, 'data');
        const worker = Number(String(line));
        expect(isAlive(worker)).toBe(true);
        parent.kill('SIGKILL');
        await until(() => expect(isAlive(worker)).toBe(false));
        expect(readdirSync(home)).toEqual(['tmp']);
        expect(readdirSync(temp)).toEqual([]);
      } finally {
        parent.kill('SIGKILL');
        rmSync(home, { recursive: true, force: true });
      }
    },
  );
});

/** Opens a line, prints the worker's process id once it is online, then waits. */
const PARENT = `
const [here, connect] = process.argv.slice(1);
const load = (path) => import(new URL(path, here));
const { opcuaDriver, opcuaWorkerPid } = await load('./index.ts');
const { opcuaDevice } = await load('./test-peer.ts');
const { Recorder } = await load('../testing/recorder.ts');
const points = { temp: { node: 'ns=1;s=temp', as: 'float64' } };
const device = opcuaDevice({ id: 'press', connect: JSON.parse(connect), points });
const onState = (_, { online }) => online && console.log(opcuaWorkerPid());
await opcuaDriver.create([device], new Recorder().deps({ onState })).start();
`;
