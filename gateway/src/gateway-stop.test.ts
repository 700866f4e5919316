import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@millwright/protocol/node/system-clock';
import mqtt from 'mqtt';
import pino from 'pino';
import { afterEach, expect, it } from 'vitest';
import { readGatewayConfig } from './config.ts';
import { Gateway } from './gateway.ts';
import { readSite } from './site.ts';

const patience = { timeout: 30_000 };
const GATEWAY = 'name: box\nsite: here\nhttp: { port: 0 }\nbroker: { port: 0 }\ndevices: site.yaml\n';
const SITE = `
- id: hall
  driver: mqtt
  connect: { broker: local }
  points: { temperature: { topic: hall/state, as: float64 } }
`;

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function create(folder: string, lines: string[]): Promise<Gateway> {
  const config = await readGatewayConfig(join(folder, 'gateway.yaml'), {});
  const site = await readSite(config, {});
  const logger = pino({ base: null, level: 'debug' }, { write: (line: string) => lines.push(line) });
  const rest = { dev: true, version: '1', variables: {}, pid: process.pid };
  return new Gateway(
    { clock: systemClock, logger },
    { config, site, stateDir: join(folder, 'state'), ...rest },
  );
}

async function online(gateway: Gateway): Promise<number> {
  const answer = await fetch(new URL('api/v1/status', gateway.addresses?.http));
  return ((await answer.json()) as { readonly devices: { readonly online: number } }).devices.online;
}

interface Listed {
  readonly items: readonly { readonly type: string }[];
}
const types = async (gateway: Gateway) => {
  const answer = await fetch(new URL('api/v1/events/recent', gateway.addresses?.http));
  return ((await answer.json()) as Listed).items.map(({ type }) => type);
};

it('calls no device offline when it stops, shows its last events after a start, and logs each name once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millwright-stop-'));
  folders.push(folder);
  writeFileSync(join(folder, 'gateway.yaml'), GATEWAY);
  writeFileSync(join(folder, 'site.yaml'), SITE);
  const lines: string[] = [];
  const first = await create(folder, lines);
  await first.start();
  const client = await mqtt.connectAsync(`mqtt://${first.addresses?.mqtt}`);
  await client.publishAsync('hall/state', '21', { qos: 1 });
  await client.endAsync();
  await expect.poll(() => online(first), patience).toBe(1);
  await first.stop();
  expect(lines.filter((line) => line.includes('offline'))).toEqual([]);
  expect(lines.filter((line) => line.split('"name":').length > 2)).toEqual([]);

  const second = await create(folder, lines);
  await second.start();
  expect(await types(second)).toEqual(['gateway.started', 'gateway.stopped', 'gateway.started']);
  await second.stop();
});
