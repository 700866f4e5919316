import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@millwright/protocol/node/system-clock';
import { MemoryLogger } from '@millwright/protocol/testing';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GatewayClient } from './api/gateway-client.ts';
import { register } from './cli.ts';
import { readGatewayConfig } from './config.ts';
import { MemoryDrivers } from './devices/memory-driver.fixture.ts';
import { Gateway } from './gateway.ts';
import { readSite } from './site.ts';

const GATEWAY = 'name: box\nsite: here\nhttp: { port: 0 }\nbroker: { port: 0 }\ndevices: site.yaml\n';
const SITE = `
- id: pump
  name: Pump
  driver: mqtt
  connect: { broker: local }
  points:
    temp: { topic: p/temp, as: float64, unit: Cel, alarms: { hi: { at: 80, priority: high } } }
    breaker: { topic: p/breaker, as: bool }
    speed:
      topic: p/speed
      as: float64
      command: { topic: p/speed/set }
      write: { range: [0, 3000], interlock: "breaker && temp < 90", confirm: { readback: 20s } }
`;

describe('the gateway, told through its API and the shell', () => {
  let folder: string;
  let gateway: Gateway;
  let drivers: MemoryDrivers;
  let url: string;
  let said: string[];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-changes-'));
    writeFileSync(join(folder, 'gateway.yaml'), GATEWAY);
    writeFileSync(join(folder, 'site.yaml'), SITE);
    const config = await readGatewayConfig(join(folder, 'gateway.yaml'), {});
    drivers = new MemoryDrivers();
    gateway = new Gateway(
      { clock: systemClock, logger: new MemoryLogger(), modules: drivers.modules },
      {
        ...{ config, stateDir: join(folder, 'state'), dev: false, version: '1', variables: {} },
        site: await readSite(config, {}),
        pid: process.pid,
      },
    );
    await gateway.start();
    url = gateway.addresses?.http ?? '';
    await expect.poll(() => drivers.log.some((line) => line.startsWith('started'))).toBe(true);
    drivers.setOnline('pump');
    said = [];
    vi.spyOn(console, 'log').mockImplementation((line: string) => void said.push(line));
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    process.exitCode = undefined;
    await gateway.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function run(...words: string[]): Promise<string> {
    const program = new Command().exitOverride();
    register(program);
    const flags = ['--gateway', url, '--state', join(folder, 'state'), '--by', 'ann'];
    await program.parseAsync([...words, ...flags], { from: 'user' });
    return said.splice(0).join('\n');
  }
  const post = (path: string, body: string, headers: Record<string, string>) =>
    fetch(new URL(path, url), { method: 'POST', body, headers });

  it('writes where the interlock certainly holds, and nowhere else', async () => {
    const write = (...more: string[]) => run('gateway', 'write', 'pump', 'speed', '1200', ...more);
    expect(await write()).toContain('refused (INTERLOCK): the interlock says no: it cannot be judged');
    drivers.send('pump', 'breaker', false);
    drivers.send('pump', 'temp', 20);
    expect(await write()).toContain('it does not hold: breaker && temp < 90');
    drivers.send('pump', 'breaker', true);
    drivers.sendBad('pump', 'temp', 'timeout');
    expect(await write()).toContain('since temp is bad: timeout');
    drivers.send('pump', 'temp', 20);
    expect(await write('--dry-run')).toBe('done: speed of Pump would be written as 1200; nothing was moved');
    expect(process.exitCode).toBe(1);
    expect(drivers.written).toEqual([]);
    const writing = write('--id', 'write-one');
    await expect.poll(() => drivers.written).toEqual(['pump/speed=1200']);
    drivers.send('pump', 'speed', 1200);
    expect(await writing).toBe('done: speed of Pump is 1200');
    expect(await write('--id', 'write-one')).toBe('done: speed of Pump is 1200');
    expect(drivers.written).toHaveLength(1);
  });

  it('acknowledges, shelves and takes alarms out of service, with who and why', async () => {
    drivers.send('pump', 'temp', 95);
    expect(await run('alarm', 'list')).toContain('unacknowledged  pump temp hi  Pump temp is 95 Cel, above');
    expect(await run('alarm', 'ack', 'pump', 'temp', 'hi')).toBe('pump temp hi: acknowledged');
    await expect(run('alarm', 'ack', 'pump', 'temp', 'hi')).rejects.toThrow('acknowledged already');
    await expect(run('alarm', 'shelve', 'pump', 'temp', 'hi')).rejects.toThrow('needs one');
    const shelved = await run('alarm', 'shelve', 'pump', 'temp', 'hi', '--for', '8h', '--reason', 'repair');
    expect(shelved).toBe('pump temp hi: shelved');
    expect(await run('alarm', 'list')).toMatch(/shelved {2}.*ann until .*: repair/);
    expect(await run('alarm', 'unshelve', 'pump', 'temp', 'hi')).toBe('pump temp hi: unacknowledged');
    const out = await run('alarm', 'out-of-service', 'pump', 'temp', 'hi', '--reason', 'sensor gone');
    expect(out).toBe('pump temp hi: out-of-service');
    drivers.send('pump', 'temp', 20);
    expect(await run('alarm', 'in-service', 'pump', 'temp', 'hi')).toBe('pump temp hi: normal');
    expect(await run('alarm', 'list')).toBe('no alarms');
    await expect(run('alarm', 'ack', 'pump', 'temp', 'nothing')).rejects.toThrow(
      'there is no alarm "nothing"',
    );
    const answer = await fetch(new URL('api/v1/events/recent', url));
    const { items } = (await answer.json()) as { items: { type: string; message: string; data?: object }[] };
    const told = items.filter(({ type }) => type.startsWith('alarm.')).map(({ type }) => type);
    expect(told.reverse()).toEqual([
      'alarm.raised',
      'alarm.acknowledged',
      'alarm.shelved',
      'alarm.unshelved',
      'alarm.out-of-service',
      'alarm.in-service',
    ]);
    expect(items.find(({ type }) => type === 'alarm.shelved')).toMatchObject({
      message: expect.stringMatching(/^ann shelved for 8 h: .* \(repair\)$/),
      data: { state: 'shelved', by: 'ann', reason: 'repair' },
    });
  });

  it('takes the token for every change, JSON only, and says what is wrong with a request', async () => {
    drivers.send('pump', 'temp', 95);
    const ack = 'api/v1/alarms/pump/temp/hi/acknowledge';
    const json = { 'content-type': 'application/json' };
    expect((await post(ack, '{}', json)).status).toBe(401);
    const token = readFileSync(join(folder, 'state', 'api-token'), 'utf8').trim();
    const authorised = { authorization: `Bearer ${token}` };
    expect((await post(ack, '{}', { ...authorised, 'content-type': 'text/plain' })).status).toBe(400);
    expect((await post(ack, '{"by": 3}', { ...authorised, ...json })).status).toBe(400);
    expect((await post(`${ack}x`, '{}', { ...authorised, ...json })).status).toBe(404);
    expect((await post(ack, '{}', { ...authorised, ...json })).status).toBe(200);
    expect((await post(ack, '{}', { ...authorised, ...json })).status).toBe(409);
    const client = new GatewayClient({ url });
    await expect(
      client.write({ device: 'pump', point: 'speed' }, { value: 1, by: 'x', dryRun: true }),
    ).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    await expect(new GatewayClient({ url: 'http://127.0.0.1:1/' }).alarms()).rejects.toMatchObject({
      code: 'GATEWAY_AWAY',
    });
  });
});
