import { rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { RegionId, RegionSummary } from '@millwright/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { InventoryReader } from '../inventory/inventory-reader.ts';
import { TestServer, temporaryFolder } from '../postgres/test-server.fixture.ts';
import { RegionData } from '../region-data.fixture.ts';
import { SummaryWriter } from './region-summary.ts';
import type { Shared } from './share.ts';
import { SummaryPush } from './summary-push.ts';

const HOUR = 3_600_000;
const REGION = RegionId.parse('north');

/** A cloud that keeps what it is told. */
class ListeningCloud {
  readonly heard: { readonly path: string; readonly token: string; readonly summary: RegionSummary }[] = [];
  answer = 200;
  readonly #server: Server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => {
      body += piece.toString();
    });
    request.on('end', () => {
      this.heard.push({
        path: request.url ?? '',
        token: request.headers.authorization ?? '',
        summary: RegionSummary.parse(JSON.parse(body)),
      });
      response.writeHead(this.answer).end('{}');
    });
  });

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

describe('the news for the cloud', () => {
  let server: TestServer;
  let data: RegionData;
  let cloud: ListeningCloud;
  let url: string;
  let folder: string;
  beforeAll(async () => {
    server = await TestServer.start();
  }, 60_000);
  afterAll(() => server.stop());
  beforeEach(async () => {
    data = await RegionData.open(await server.newDatabase());
    cloud = new ListeningCloud();
    url = await cloud.start();
    folder = await temporaryFolder();
    await writeFile(join(folder, 'token'), 'secret-1\n');
  });
  afterEach(async () => {
    await cloud.stop();
    await data.close();
    await rm(folder, { recursive: true, force: true });
  });

  const writer = (share: Shared) =>
    new SummaryWriter(
      { clock: data.clock, database: data.database, inventory: new InventoryReader(data) },
      { region: REGION, version: '1.2.3', share },
    );
  const push = (share: Shared = { latest: false, rollups: [] }) =>
    new SummaryPush(
      { clock: data.clock, logger: data.logger, summary: writer(share) },
      { url, tokenFile: join(folder, 'token'), region: REGION },
    );

  const heardAfter = async (ms: number) => {
    await data.clock.advance(ms);
    return cloud.heard.length;
  };

  async function fill(): Promise<void> {
    const gateway = await data.gateway('hall-1', [
      { point: 'energy', unit: 'kWh' },
      { point: 'temperature', unit: 'Cel' },
      { point: 'never' },
    ]);
    await data.devices(gateway, 'pump');
    data.live.connected(gateway, true);
    const now = data.clock.wallMs();
    await data.storeSamples(gateway, [
      [0, now - 3 * HOUR, 10],
      [0, now - 3 * HOUR + 1, 14],
      [1, now, 61],
    ]);
    await data.store.appendEntries(gateway, [
      data.gap(gateway, { reason: 'gateway-down', fromMs: 1, toMs: 2 }),
      data.event(gateway, { type: 'alarm.raised', data: { alarm: 'hi' } }),
    ]);
  }

  test('are counts and states, and no value that the policy does not let out', async () => {
    await fill();
    const summary = await writer({ latest: false, rollups: [] }).write();
    expect(RegionSummary.parse(summary)).toEqual(summary);
    expect(summary).toMatchObject({
      region: 'north',
      version: '1.2.3',
      gateways: [{ name: 'hall-1', online: true, devices: 1, frames: 1, gaps: 1 }],
      devices: [{ id: 'dev_hall.pump', online: true, points: [] }],
      counts: { frames: 1, samples: 3, gaps: 1, alarmsActive: 1, commands: 0 },
      rollups: [],
    });
    expect(JSON.stringify(summary)).not.toMatch(/energy|temperature/);
  });

  test('carry latest values and roll-ups where the policy says so', async () => {
    await fill();
    const now = data.clock.wallMs();
    const summary = await writer({ latest: true, rollups: ['*.energy'] }).write();
    expect(RegionSummary.parse(summary)).toEqual(summary);
    expect(summary.devices[0]?.points).toEqual([
      { point: 'energy', v: 14, q: 'good', unit: 'kWh', tSource: now - 3 * HOUR + 1 },
      { point: 'temperature', v: 61, q: 'good', unit: 'Cel', tSource: now },
    ]);
    expect(summary.rollups).toEqual([
      {
        device: 'dev_hall.pump',
        point: 'energy',
        bucketMs: now - 3 * HOUR,
        widthMs: HOUR,
        min: 10,
        max: 14,
        mean: 12,
        count: 2,
      },
    ]);
  });

  test('tell old roll-ups once, and young ones again', async () => {
    await fill();
    const summaries = writer({ latest: false, rollups: ['*.energy'] });
    const first = await summaries.write();
    expect(first.rollups).toHaveLength(1);
    expect((await summaries.write()).rollups).toHaveLength(1);
    summaries.arrived(first.atMs);
    expect((await summaries.write()).rollups).toEqual([]);
  });

  test('go out at once and every ten seconds, with the token of the file as it is then', async () => {
    const pushing = push();
    await pushing.start();
    await pushing.start();
    await expect.poll(() => cloud.heard.length).toBe(1);
    expect(cloud.heard[0]).toMatchObject({ path: '/api/v1/regions/north/summary', token: 'Bearer secret-1' });
    await writeFile(join(folder, 'token'), 'secret-2\n');
    await expect.poll(() => heardAfter(10_000)).toBeGreaterThan(1);
    expect(cloud.heard[1]?.token).toBe('Bearer secret-2');
    await pushing.stop();
    await pushing.stop();
  });

  test('are tried again while the cloud refuses or is away; the log says so once down and once up', async () => {
    cloud.answer = 503;
    const pushing = push();
    await pushing.start();
    const said = () => data.logger.lines.map(({ level, message }) => `${level} ${message}`);
    await expect.poll(() => heardAfter(60_000)).toBeGreaterThan(2);
    expect(said()).toEqual([
      expect.stringMatching(/^warn the cloud hears nothing of this region: it answered 503/),
    ]);
    cloud.answer = 200;
    await expect.poll(() => heardAfter(60_000).then(() => said().length)).toBe(2);
    expect(said()[1]).toBe(`info the cloud at ${url} hears of this region`);
    await pushing.stop();
  });
});
