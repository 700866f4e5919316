import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { GatewayEnd } from '../support/uplink-rig.ts';

const SAMPLES = 600_000;
const POINT = '/api/v1/devices/dev_north.pump-1/points/p0';
const MILLWRIGHT = join(import.meta.dirname, '..', '..', 'millwright.ts');
const Ready = z.object({ http: z.string(), postgresPid: z.int() });
const Summary = z.object({ samplesStored: z.number(), gapsLast24h: z.number() });
const Token = z.object({ token: z.string() });
const History = z.object({ source: z.string(), points: z.array(z.object({ count: z.number() })) });

/** A region as users run it: a process of its own, which owns the database server. */
class RegionProcess {
  readonly #state: string;
  readonly #ports: { readonly http: number; readonly uplink: number };
  #child: ChildProcess | undefined;
  #log = '';

  constructor(state: string, ports: { readonly http: number; readonly uplink: number }) {
    this.#state = state;
    this.#ports = ports;
  }

  async start(): Promise<void> {
    const config = join(this.#state, 'region.yaml');
    const { http, uplink } = this.#ports;
    await writeFile(config, `region: north\nhttp: { port: ${http} }\nuplink: { port: ${uplink} }\n`);
    await rm(this.#readyFile, { force: true });
    const args = [
      'region',
      'run',
      '--config',
      config,
      '--state',
      this.#state,
      '--ready-file',
      this.#readyFile,
    ];
    const child = spawn(process.execPath, [MILLWRIGHT, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.on('data', (text: Buffer) => {
      this.#log = (this.#log + text).slice(-4000);
    });
    this.#child = child;
    await expect.poll(() => this.ready().catch(() => this.#log), { timeout: 60_000 }).toHaveProperty('http');
  }

  async ready(): Promise<z.infer<typeof Ready>> {
    return Ready.parse(JSON.parse(await readFile(this.#readyFile, 'utf8')));
  }

  async ask<T>(path: string, answer: z.ZodType<T>, body?: object): Promise<T> {
    const token = (await readFile(join(this.#state, 'api-token'), 'utf8')).trim();
    const response = await fetch(`http://127.0.0.1:${this.#ports.http}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return answer.parse(await response.json());
  }

  async killDatabase(): Promise<void> {
    process.kill((await this.ready()).postgresPid, 'SIGKILL');
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  get #readyFile(): string {
    return join(this.#state, 'ready.json');
  }
}

describe('a region whose database and controller are killed while a gateway drains its journal', () => {
  let state: string;
  let region: RegionProcess;
  let gateway: GatewayEnd | undefined;
  let uplinkPort: number;

  beforeEach(async () => {
    state = await mkdtemp(join(tmpdir(), 'chaos-'));
    // The database server runs as a user of its own when the tests run as root.
    await chmod(state, 0o755);
    const [http = 0, uplink = 0] = await Promise.all([freePort(), freePort()]);
    uplinkPort = uplink;
    region = new RegionProcess(state, { http, uplink });
    await region.start();
  });
  afterEach(async () => {
    await gateway?.remove();
    await region.end('SIGTERM');
    await rm(state, { recursive: true, force: true });
  });

  test('holds every sample once, in frames and in roll-ups, and knows of no gap', async () => {
    const { token } = await region.ask('/api/v1/enrolment-tokens', Token, { site: 'north' });
    const end = await GatewayEnd.start({ addresses: [`127.0.0.1:${uplinkPort}`], token });
    gateway = end;
    await expect.poll(() => end.uplink.state, { timeout: 20_000 }).toMatchObject({ state: 'connected' });
    await end.uplink.stop();
    const fromMs = Date.now() - 1000;
    await end.fillJournal(SAMPLES);
    const { lastSeq } = end.journal.stats();
    await end.uplink.start();

    const held = () => end.uplink.counters.acked?.seq ?? -1;
    const harms = [
      () => region.killDatabase(),
      async () => {
        await region.end('SIGKILL');
        await region.start();
      },
      async () => {
        await region.killDatabase();
        await region.end('SIGKILL');
        await region.start();
      },
    ];
    for (const harm of harms) {
      const before = held();
      await expect.poll(held, { timeout: 60_000, interval: 5 }).toBeGreaterThan(before);
      await harm();
    }
    await expect.poll(held, { timeout: 60_000 }).toBeGreaterThanOrEqual(lastSeq);

    expect(await region.ask('/api/v1/summary', Summary)).toEqual({ samplesStored: SAMPLES, gapsLast24h: 0 });
    const toMs = Date.now() + SAMPLES;
    for (const step of ['1m', '15m', '1h', '1d']) {
      const history = await region.ask(`${POINT}/history?from=${fromMs}&to=${toMs}&step=${step}`, History);
      expect(history.source).toBe('rollup');
      expect(history.points.reduce((sum, { count }) => sum + count, 0)).toBe(SAMPLES);
    }
  });
});

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}
