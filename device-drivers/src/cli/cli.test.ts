import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { configsFrom } from './simulate.ts';

const slow = { timeout: 60_000 };
const patience = { timeout: 30_000, interval: 50 };
let folder: string;
const cleanUp: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millwright-cli-'));
  cleanUp.push(() => rm(folder, { recursive: true, force: true }));
});
afterEach(async () => {
  for (const each of cleanUp.splice(0).reverse()) await each();
});

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>;
}

function start(args: readonly string[], environment: Record<string, string> = {}): Run {
  const child = fork(join(import.meta.dirname, 'cli.fixture.ts'), [...args], {
    cwd: folder,
    silent: true,
    env: { ...process.env, ...environment },
  });
  let out = '';
  let err = '';
  child.stdout?.on('data', (bytes) => {
    out += bytes;
  });
  child.stderr?.on('data', (bytes) => {
    err += bytes;
  });
  const ended = once(child, 'close').then(([code]) => ({ code, out, err }));
  cleanUp.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  });
  return { child, ended };
}

const millwright = (...args: string[]) => start(args).ended;

interface Ready {
  readonly simulators: { readonly id: string; readonly port: number; readonly devices: object[] }[];
}

async function ready(file: string): Promise<Ready> {
  return vi.waitFor(async () => JSON.parse(await readFile(file, 'utf8')), patience);
}

async function occupied(): Promise<Server & { port: number }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp.push(async () => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return Object.assign(server, { port });
}

const listens = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

describe('millwright simulate', () => {
  it('runs what a file lists, with variables, says where, and ends on a signal', slow, async () => {
    await writeFile(
      join(folder, 'sims.yaml'),
      '- id: pump-1\n  kind: pump-skid\n  port: ${PUMP_PORT:-0}\n- { id: meter-1, kind: energy-meter, port: 0 }\n',
    );
    const file = join(folder, 'ready.json');
    const { child, ended } = start(['simulate', '--config', 'sims.yaml', '--ready-file', file]);
    const { simulators } = await ready(file);
    expect(simulators.map(({ id }) => id)).toEqual(['pump-1', 'meter-1']);
    for (const { port } of simulators) expect(await listens(port)).toBe(true);
    child.kill('SIGTERM');
    const { code, out } = await ended;
    expect(code).toBe(0);
    expect(out).toContain(`pump-1   pump-skid     modbus tcp 127.0.0.1:${simulators[0]?.port}`);
    expect(out).toContain('type: pump-skid@1');
    await expect(access(file)).rejects.toThrow();
  });

  it('ends when the process that started it is gone', slow, async () => {
    const file = join(folder, 'ready.json');
    const { child } = start(['simulate', 'energy-meter', '--port', '0', '--ready-file', file]);
    const { simulators } = await ready(file);
    // Node emits no "close" for a child that was disconnected.
    const gone = once(child, 'exit');
    child.disconnect();
    expect(await gone).toEqual([0, null]);
    expect(await listens(simulators[0]?.port ?? 0)).toBe(false);
  });

  it('names the busy port and the flag that changes it', slow, async () => {
    const { port } = await occupied();
    const { code, err } = await millwright('simulate', 'pump-skid', '--port', String(port));
    expect(code).toBe(1);
    expect(err).toContain(`port ${port} on 127.0.0.1 is in use`);
    expect(err).toContain('--port');
  });

  it('says where in the file something is wrong', slow, async () => {
    await writeFile(join(folder, 'sims.yaml'), '- { kind: pump-skid, prot: 5020 }\n');
    const { code, err } = await millwright('simulate', '--config', 'sims.yaml');
    expect(code).toBe(2);
    expect(err).toMatch(/sims\.yaml:1:\d+: .*prot.*did you mean "port"/);
  });

  it.each([
    [{}, 'nothing to simulate'],
    [{ kind: 'pump-skid', broker: 'mqtt://x' }, '--broker is not for pump-skid'],
    [{ kind: 'energy-meter', speed: -1 }, '--speed: '],
    [{ kind: 'energy-meter', recording: 'a.csv' }, '"a.csv" is not for energy-meter'],
    [{ kind: 'replay' }, 'a replay needs a recording'],
    [{ kind: 'replay', recording: 'a.csv' }, 'needs exactly one of "port" (Modbus) and "broker" (MQTT)'],
    [{ kind: 'pump-skid', anomalyEvery: 'often' }, '--anomaly-every: "often" is not a duration'],
    [{ config: 'sims.yaml', port: 1 }, 'described in the file, not by --port'],
    [{ config: 'none.yaml' }, 'none.yaml'],
  ])('explains what is wrong with %j', async (options, reason) => {
    await expect(configsFrom(options, {})).rejects.toThrow(reason);
  });
});

describe('millwright device', () => {
  it('lists the shipped types and shows one', slow, async () => {
    expect((await millwright('device', 'types')).out).toMatch(/pump-skid@1\s+modbus\s+18\s+3/);
    expect((await millwright('device', 'types', 'pump-skid')).out).toContain('type: pump-skid@1\n');
    const { code, err } = await millwright('device', 'types', 'pump');
    expect(code).toBe(1);
    expect(err).toContain('there is no device type "pump"');
  });

  it('checks a site file: what is written, and what the driver would refuse', slow, async () => {
    const site = join(folder, 'site.yaml');
    await writeFile(
      site,
      '- { id: box, type: this-machine@1 }\n- { id: meter, type: energy-meter@1, connect: { tcp: "h:502" } }\n',
    );
    const right = await millwright('device', 'check', 'site.yaml');
    expect(right).toMatchObject({ code: 0, err: '' });
    expect(right.out).toContain('is right: 2 devices, 26 points');
    await writeFile(site, '- { id: box, type: this-machin@1 }\n');
    const wrong = await millwright('device', 'check', 'site.yaml');
    expect(wrong.code).toBe(2);
    expect(wrong.err).toMatch(/site\.yaml:1:\d+: box\.type: .*did you mean "this-machine@1"/);
    await writeFile(
      site,
      '- id: lab\n  driver: mqtt\n  connect: { broker: local }\n' +
        '  points: { t: { topic: x, pick: "$.[", as: bool } }\n',
    );
    const paths = await millwright('device', 'check', 'site.yaml');
    expect(paths.code).toBe(2);
    expect(paths.err).toMatch(/lab", point "t": "\$\.\[" is not a JSONPath/);
  });

  it('reads and writes a device through its driver', slow, async () => {
    const file = join(folder, 'ready.json');
    start(['simulate', 'pump-skid', '--port', '0', '--ready-file', file]);
    const { simulators } = await ready(file);
    await writeFile(join(folder, 'site.yaml'), JSON.stringify(simulators[0]?.devices));
    const read = await millwright(
      'device',
      'read',
      'site.yaml',
      'pump-skid',
      'speed_setpoint',
      'run',
      '--json',
    );
    expect(JSON.parse(read.out)).toMatchObject({
      speed_setpoint: { v: 2800, q: 'good', unit: '{rev}/min' },
      run: { v: true, q: 'good' },
    });
    const write = ['device', 'write', 'site.yaml', 'pump-skid', 'speed_setpoint'];
    expect((await millwright(...write, '2000')).out).toContain('add --yes to do it');
    expect((await millwright(...write, '2000', '--yes')).out).toContain('it reads 2000 {rev}/min');
    expect((await millwright(...write, '4000', '--yes')).err).toContain(
      'takes 0 to 3000 {rev}/min; got 4000',
    );
    expect((await millwright('device', 'write', 'site.yaml', 'pump-skid', 'flow', '1')).err).toContain(
      '"write"',
    );
    expect((await millwright('device', 'read', 'site.yaml', 'pump-skid', 'speed_setpoint')).out).toMatch(
      /2000\s+\{rev\}\/min\s+good/,
    );
  });

  it('says why a device cannot be read', slow, async () => {
    const server = await occupied();
    server.close();
    const site = `- { id: pump, type: pump-skid@1, connect: { tcp: "127.0.0.1:${server.port}" } }\n`;
    await writeFile(join(folder, 'site.yaml'), site);
    const { code, err } = await millwright('device', 'read', 'site.yaml', 'pump', '--timeout', '5s');
    expect(code).toBe(1);
    expect(err).toMatch(/^pump: .+/);
    expect((await millwright('device', 'read', 'site.yaml', 'pmup')).err).toContain('it has pump');
  });
});
