import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@millwright/protocol/node/system-clock';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readGatewayConfig } from './config.ts';
import { MemoryDrivers } from './devices/memory-driver.fixture.ts';
import { Gateway } from './gateway.ts';
import { JournalConfig } from './journal/config.ts';
import { DenoKvFile } from './journal/kv/deno-kv.ts';
import { KvJournal } from './journal/kv-journal.ts';
import { readSite } from './site.ts';

const SITE = `
- id: box
  driver: host
  points:
    load: { metric: cpu.load, report: { deadband: 0.1 } }
    hot: { metric: cpu.temperature, alarms: { hi: { at: 80 } } }
`;

describe('the gateway', () => {
  let folder: string;
  let gateway: Gateway;
  let drivers: MemoryDrivers;
  let logger: MemoryLogger;
  let taken: Server | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-gateway-'));
    configure();
    writeFileSync(join(folder, 'site.yaml'), SITE);
  });
  afterEach(async () => {
    await gateway.stop();
    taken?.close();
    taken = undefined;
    rmSync(folder, { recursive: true, force: true });
  });

  function configure(http = '{ port: 0 }'): void {
    const text = `name: box\nsite: here\nhttp: ${http}\nbroker: { port: 0 }\ndevices: site.yaml\n`;
    writeFileSync(join(folder, 'gateway.yaml'), text);
  }

  async function create(): Promise<Gateway> {
    logger = new MemoryLogger();
    drivers = new MemoryDrivers();
    const config = await readGatewayConfig(join(folder, 'gateway.yaml'), {});
    gateway = new Gateway(
      { clock: systemClock, logger, modules: drivers.modules },
      {
        config,
        site: await readSite(config, {}),
        stateDir: join(folder, 'state'),
        dev: false,
        version: '1.2.3',
        variables: {},
        pid: process.pid,
      },
    );
    return gateway;
  }

  async function start(): Promise<void> {
    await (await create()).start();
    await expect.poll(() => drivers.log.some((line) => line.startsWith('started'))).toBe(true);
  }

  async function get<T>(path: string): Promise<T> {
    const answer = await fetch(new URL(path, gateway.addresses?.http));
    return (await answer.json()) as T;
  }
  const points = async (device = 'box') => {
    const { points: listed } = await get<{ points: { id: string; v: unknown; q: string }[] }>(
      `api/v1/devices/${device}`,
    );
    return Object.fromEntries(listed.map(({ id, v }) => [id, v]));
  };
  /** Stops the gateway. @returns the events in its journal */
  async function recorded(): Promise<{ type: string; message: string }[]> {
    await gateway.stop();
    const file = new DenoKvFile(join(folder, 'state', 'journal.kv'));
    const journal = new KvJournal({ clock: systemClock, logger, file }, JournalConfig.parse({}));
    await journal.start();
    const entries = await journal.entriesAfter(null, 64);
    await journal.stop();
    return entries.flatMap((entry) => (entry.kind === 'event' ? [entry.event] : []));
  }

  it('shows what its drivers deliver, raises alarms, and keeps it for the region', async () => {
    await start();
    drivers.setOnline('box');
    drivers.send('box', 'load', 0.5);
    drivers.send('box', 'hot', 85);
    expect(await points()).toEqual({ load: 0.5, hot: 85 });
    expect(await get('api/v1/status')).toMatchObject({
      name: 'box',
      version: '1.2.3',
      uplink: { state: 'none' },
      devices: { total: 1, online: 1 },
      alarms: 1,
    });
    await expect
      .poll(
        async () =>
          (await get<{ journal: { pendingSamples: number } }>('api/v1/status')).journal.pendingSamples,
      )
      .toBe(0);
    expect(logger.lines.filter(({ message }) => message === 'first sample stored')).toHaveLength(1);
    drivers.setOnline('box', 'was unplugged');
    expect((await recorded()).map(({ type }) => type)).toEqual([
      'gateway.started',
      'alarm.raised',
      'device.offline',
      'gateway.stopped',
    ]);
  });

  it('goes on where it stopped: same identity, same journal, and the time in between is a gap', async () => {
    await start();
    const before = await get<{ gateway: string }>('api/v1/status');
    drivers.send('box', 'load', 0.5);
    await gateway.stop();
    await gateway.stop();
    expect(drivers.log.at(-1)).toBe('stopped box');
    await start();
    const after = await get<{ gateway: string; journal: { entries: number; lastSeq: number } }>(
      'api/v1/status',
    );
    expect(after.gateway).toBe(before.gateway);
    expect(after.journal.lastSeq).toBeGreaterThanOrEqual(3);
  });

  it('reads device files again, and restarts only what changed', async () => {
    await start();
    drivers.send('box', 'load', 0.5);
    const other = '- { id: other, driver: host, connect: { disk: /x }, points: { up: { metric: uptime } } }';
    writeFileSync(join(folder, 'site.yaml'), `${SITE}${other}\n`);
    await gateway.reload();
    await expect.poll(() => drivers.log).toContain('started other');
    expect(drivers.log.filter((line) => line.endsWith(' box'))).toEqual(['created box', 'started box']);
    expect(await points('other')).toEqual({ up: null });
    expect(await points()).toMatchObject({ load: 0.5 });
    expect(await recorded()).toContainEqual(
      expect.objectContaining({
        type: 'config.changed',
        message: 'devices were reloaded: 1 lines started, 0 stopped',
      }),
    );
  });

  it('refuses a wrong device file and runs on', async () => {
    await start();
    writeFileSync(join(folder, 'site.yaml'), '- id: box\n  driver: hosst\n');
    await gateway.reload();
    drivers.send('box', 'load', 0.7);
    expect(await points()).toMatchObject({ load: 0.7 });
    expect(drivers.log).toEqual(['created box', 'started box']);
    const refused = (await recorded()).find(({ type }) => type === 'config.refused');
    expect(refused?.message).toContain('site.yaml:2');
  });

  it('says which port is in use, and leaves nothing behind', async () => {
    taken = createServer();
    const port = await new Promise<number>((resolve) => {
      taken?.listen(0, '127.0.0.1', () => {
        const address = taken?.address();
        resolve(address !== null && typeof address === 'object' ? (address?.port ?? 0) : 0);
      });
    });
    configure(`{ port: ${port} }`);
    await expect((await create()).start()).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining(String(port)),
      hint: expect.stringContaining('http.port'),
    });
    configure();
    await start();
    expect(await get('healthz')).toEqual({ status: 'ok' });
  });

  it('keeps a second gateway off its state folder', async () => {
    await start();
    const first = gateway;
    await expect((await create()).start()).rejects.toMatchObject({ code: 'STATE_LOCKED' });
    gateway = first;
    expect(await get('healthz')).toEqual({ status: 'ok' });
  });

  it('can be stopped before it was started', async () => {
    await (await create()).stop();
    await gateway.reload();
    expect(gateway.addresses).toBeUndefined();
  });
});
