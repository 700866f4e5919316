import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { hasMosquitto, Mosquitto } from '../support/mosquitto.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const patience = { timeout: 60_000, interval: 50 };

describe.skipIf(!hasMosquitto)(
  'a bridge to mosquitto (needs: apt-get install mosquitto)',
  { timeout: 240_000 },
  () => {
    let folder: string;
    let mosquitto: Mosquitto;
    let proxy: TcpProxy;
    let gateway: ChildProcess | undefined;
    let api = '';
    const clients: MqttClient[] = [];

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'millwright-bridge-'));
      mosquitto = await Mosquitto.started();
      proxy = new TcpProxy({ port: mosquitto.port });
      await proxy.start();
    });
    afterEach(async () => {
      for (const client of clients.splice(0)) client.end(true);
      await stop('SIGKILL');
      await proxy.stop();
      await mosquitto.dispose();
      rmSync(folder, { recursive: true, force: true });
    });

    const configure = (topics: string, more = '') => {
      writeFileSync(join(folder, 'site.yaml'), '[]\n');
      writeFileSync(
        join(folder, 'gateway.yaml'),
        `name: box
site: here
http: { port: 0 }
broker: { port: 0 }
publish: { json: false }
devices: site.yaml
bridges:
  - name: plant
    broker: mqtt://127.0.0.1:${proxy.port}
    ${more}
    topics: ${topics}
`,
      );
    };
    /** @returns the port of its broker */
    const start = async (): Promise<number> => {
      const ready = join(folder, 'ready.json');
      rmSync(ready, { force: true });
      const paths = [
        '--config',
        join(folder, 'gateway.yaml'),
        '--state',
        join(folder, 'state'),
        '--ready-file',
        ready,
      ];
      const child = spawn(
        process.execPath,
        [join(ROOT, 'millwright.ts'), 'gateway', 'run', '--dev', ...paths],
        {
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      );
      gateway = child;
      let printed = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += chunk));
      await vi.waitFor(() => {
        if (child.exitCode !== null) throw new Error(printed);
        expect(existsSync(ready)).toBe(true);
      }, patience);
      const { mqtt, http } = JSON.parse(readFileSync(ready, 'utf8')) as { mqtt: string; http: string };
      api = http;
      return Number(mqtt.split(':').at(-1));
    };
    const stop = async (signal: NodeJS.Signals) => {
      const child = gateway;
      gateway = undefined;
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
    };
    const client = async (port: number, filter?: string) => {
      const mqtt = await connectAsync(`mqtt://127.0.0.1:${port}`, {
        protocolVersion: 4,
        reconnectPeriod: 200,
      });
      clients.push(mqtt);
      const received: string[] = [];
      mqtt.on('message', (topic, payload, { retain }) =>
        received.push(`${topic}=${payload}${retain ? ' kept' : ''}`),
      );
      mqtt.on('error', () => undefined);
      if (filter !== undefined) await mqtt.subscribeAsync(filter, { qos: 1 });
      return { mqtt, received };
    };
    const numbers = (lines: readonly string[]) => lines.map((line) => Number(line.split('=')[1]));
    /** The first time each came: at least once, in order. */
    const distinct = (lines: readonly string[]) => [...new Set(numbers(lines))];
    const upTo = (count: number) => Array.from({ length: count }, (_, no) => no);

    it('carries messages out, in and both ways, renamed, each once, and nothing comes back', async () => {
      configure(`
      - { pattern: "out/#", direction: out, remotePrefix: site-a/ }
      - { pattern: "in/#", direction: in, localPrefix: plant/ }
      - { pattern: "both/#", direction: both }`);
      const here = await client(await start(), '#');
      const there = await client(mosquitto.port, '#');
      await vi.waitFor(async () => {
        await here.mqtt.publishAsync('out/probe', '0', { qos: 1 });
        expect(there.received).toContain('site-a/out/probe=0');
        await there.mqtt.publishAsync('in/probe', '0', { qos: 1 });
        expect(here.received).toContain('plant/in/probe=0');
      }, patience);
      here.received.length = 0;
      there.received.length = 0;
      for (let no = 0; no < 50; no++) {
        await here.mqtt.publishAsync('both/here', String(no), { qos: 1 });
        await there.mqtt.publishAsync('both/there', String(no), { qos: 1 });
      }
      await here.mqtt.publishAsync('out/last', 'x', { qos: 1, retain: true });
      await there.mqtt.publishAsync('in/last', 'x', { qos: 1, retain: true });
      await vi.waitFor(() => {
        expect(there.received).toContain('site-a/out/last=x');
        expect(here.received).toContain('plant/in/last=x');
      }, patience);
      for (const { received } of [here, there]) {
        expect(numbers(received.filter((line) => line.startsWith('both/here')))).toEqual(upTo(50));
        expect(numbers(received.filter((line) => line.startsWith('both/there')))).toEqual(upTo(50));
        expect(received.filter((line) => !line.includes('probe'))).toHaveLength(102);
      }
      const later = await client(mosquitto.port, 'site-a/out/#');
      await vi.waitFor(() => expect(later.received).toEqual(['site-a/out/last=x kept']), patience);
    });

    it('loses nothing while the other broker is killed and restarted, in order', async () => {
      configure('[{ pattern: "m/#", direction: out }]');
      const here = await client(await start());
      const there = await client(mosquitto.port, 'm/#');
      for (let no = 0; no < 500; no++) {
        if (no === 100) {
          await mosquitto.stop('SIGTERM');
        }
        if (no === 400) {
          await mosquitto.start();
          await vi.waitFor(() => expect(there.mqtt.connected).toBe(true), patience);
          await there.mqtt.subscribeAsync('m/#', { qos: 1 });
        }
        await here.mqtt.publishAsync('m/x', String(no), { qos: 1 });
        if (no === 99) await vi.waitFor(() => expect(distinct(there.received)).toEqual(upTo(100)), patience);
      }
      await vi.waitFor(() => expect(distinct(there.received)).toEqual(upTo(500)), patience);
    });

    it('keeps what waits over kill -9 of the gateway, and what came meanwhile waits for it there', async () => {
      configure('[{ pattern: "m/#", direction: out }, { pattern: "in/#", direction: in }]');
      const port = await start();
      const here = await client(port, 'in/#');
      const there = await client(mosquitto.port, 'm/#');
      await vi.waitFor(async () => {
        await there.mqtt.publishAsync('in/probe', 'x', { qos: 1 });
        expect(here.received.length).toBeGreaterThan(0);
      }, patience);
      proxy.weather = { refuse: true };
      proxy.cut();
      for (let no = 0; no < 300; no++) await here.mqtt.publishAsync('m/x', String(no), { qos: 1 });
      await stop('SIGKILL');
      for (let no = 0; no < 50; no++)
        await there.mqtt.publishAsync('in/y', String(no), { qos: 1, retain: true });
      expect(there.received).toEqual([]);
      proxy.weather = {};
      const again = await client(await start());
      await vi.waitFor(() => expect(distinct(there.received)).toEqual(upTo(300)), patience);
      await again.mqtt.subscribeAsync('in/y');
      await vi.waitFor(() => expect(again.received).toContain('in/y=49 kept'), patience);
    });

    it('goes on over a line that is cut again and again, and drops the oldest beyond its bound', async () => {
      configure('[{ pattern: "m/#", direction: out }]', 'queue: { maxMessages: 100 }');
      const here = await client(await start());
      const there = await client(mosquitto.port, 'm/#');
      for (let no = 0; no < 200; no++) {
        if (no % 50 === 49) {
          await vi.waitFor(() => expect(distinct(there.received)).toEqual(upTo(no)), patience);
          proxy.cut();
        }
        await here.mqtt.publishAsync('m/x', String(no), { qos: 1 });
      }
      await vi.waitFor(() => expect(distinct(there.received)).toEqual(upTo(200)), patience);
      proxy.weather = { refuse: true };
      proxy.cut();
      there.received.length = 0;
      for (let no = 0; no < 250; no++) await here.mqtt.publishAsync('m/x', String(no), { qos: 1 });
      proxy.weather = {};
      await vi.waitFor(() => expect(numbers(there.received).at(-1)).toBe(249), patience);
      expect(distinct(there.received)).toEqual(upTo(250).slice(150));
      const metrics = await (await fetch(new URL('/metrics', api))).text();
      expect(metrics).toContain('millwright_bridge_connected{bridge="plant"} 1');
      expect(metrics).toContain('millwright_bridge_dropped_total{bridge="plant"} 150');
    });
  },
);
