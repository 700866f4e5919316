import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@millwright/protocol/node/system-clock';
import { MemoryLogger } from '@millwright/protocol/testing';
import { Command } from 'commander';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { register } from './cli.ts';
import { readGatewayConfig } from './config.ts';
import { Gateway } from './gateway.ts';
import { readSite } from './site.ts';

const GATEWAY = 'name: box\nsite: here\nhttp: { port: 0 }\nbroker: { port: 0 }\ndevices: site.yaml\n';
const SITE =
  '# By hand.\n- { id: known, driver: mqtt, connect: { broker: local }, points: { x: { topic: k/x, as: float64 } } }\n';
const patience = { timeout: 30_000, interval: 50 };

describe('onboarding a device that nobody described', { timeout: 120_000 }, () => {
  let folder: string;
  let gateway: Gateway;
  let device: MqttClient;
  let said: string[];

  const start = async () => {
    const config = await readGatewayConfig(join(folder, 'gateway.yaml'), {});
    gateway = new Gateway(
      { clock: systemClock, logger: new MemoryLogger() },
      {
        ...{ config, stateDir: join(folder, 'state'), dev: true, version: '1', variables: {} },
        site: await readSite(config, {}),
        pid: process.pid,
      },
    );
    await gateway.start();
    device = await connectAsync(`mqtt://${gateway.addresses?.mqtt}`, {
      protocolVersion: 4,
      reconnectPeriod: 0,
    });
  };
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-onboard-'));
    writeFileSync(join(folder, 'gateway.yaml'), GATEWAY);
    writeFileSync(join(folder, 'site.yaml'), SITE);
    await start();
    said = [];
    vi.spyOn(console, 'log').mockImplementation((line: string) => void said.push(line));
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    device.end(true);
    await gateway.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const url = (path: string) => new URL(path, gateway.addresses?.http);
  const get = async (path: string) => (await fetch(url(path))).json() as Promise<Record<string, unknown>>;
  const millwright = async (...words: string[]): Promise<string> => {
    const program = new Command().exitOverride();
    register(program);
    const flags = ['--gateway', url('/').href, '--state', join(folder, 'state')];
    await program.parseAsync([...words, ...flags], { from: 'user' });
    return said.splice(0).join('\n');
  };
  const state = (temperature: number) =>
    device.publishAsync('hall/th/state', JSON.stringify({ temperature, battery: 90 }), { qos: 1 });
  const value = async () => {
    const { points } = (await get('/api/v1/devices/hall-th')) as { points?: { id: string; v: unknown }[] };
    return points?.find(({ id }) => id === 'temperature')?.v;
  };

  it('shows it as pending, and one word makes it a device whose values flow, over a restart, too', async () => {
    await device.publishAsync('k/x', '1', { qos: 1 });
    await state(21);
    await vi.waitFor(
      async () => expect((await get('/api/v1/pending-devices')).items).toHaveLength(1),
      patience,
    );
    expect(await millwright('device', 'pending')).toMatch(/hall-th +mqtt +\S+.*temperature, battery/);
    expect((await get('/api/v1/devices')).items).toHaveLength(1);
    expect(await millwright('device', 'adopt', 'hall-th')).toBe('hall-th is a device of this gateway now');
    await state(22);
    await vi.waitFor(async () => expect(await value()).toBe(22), patience);
    expect((await get('/api/v1/pending-devices')).items).toEqual([]);
    expect(readFileSync(join(folder, 'site.yaml'), 'utf8')).toBe(SITE);
    device.end(true);
    await gateway.stop();
    await start();
    await state(23);
    await vi.waitFor(async () => expect(await value()).toBe(23), patience);
    expect((await get('/api/v1/pending-devices')).items).toEqual([]);
  });

  it('takes the token to adopt, another id where one is wanted, and names what is wrong', async () => {
    await state(21);
    await vi.waitFor(
      async () => expect((await get('/api/v1/pending-devices')).items).toHaveLength(1),
      patience,
    );
    const adopt = url('/api/v1/pending-devices/hall-th/adopt');
    const json = { 'content-type': 'application/json' };
    expect((await fetch(adopt, { method: 'POST', body: '{}', headers: json })).status).toBe(401);
    await expect(millwright('device', 'adopt', 'nobody')).rejects.toMatchObject({ code: 'NOT_PENDING' });
    await expect(millwright('device', 'adopt', 'hall-th', '--as', 'known')).rejects.toMatchObject({
      code: 'ID_TAKEN',
    });
    await expect(millwright('device', 'adopt', 'hall-th', '--as', 'A b')).rejects.toMatchObject({
      code: 'INVALID',
    });
    expect(await millwright('device', 'adopt', 'hall-th', '--as', 'hall-1')).toContain('hall-1');
  });

  it('does not list one again that was dismissed', async () => {
    await state(21);
    await vi.waitFor(
      async () => expect((await get('/api/v1/pending-devices')).items).toHaveLength(1),
      patience,
    );
    await millwright('device', 'dismiss', 'hall-th');
    await device.publishAsync('hall/th/other', '1', { qos: 1 });
    expect(await millwright('device', 'pending')).toBe('No device is waiting to be adopted.');
  });
});
