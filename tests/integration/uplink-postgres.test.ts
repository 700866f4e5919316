import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Database,
  EmbeddedPostgres,
  EnrolmentTokens,
  PostgresIngestStore,
} from '@millwright/fleet-controller/testing';
import { decodeFrame, SiteId } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { GatewayEnd, RegionEnd } from '../support/uplink-rig.ts';

const SAMPLES = 400_000;

describe('a region over PostgreSQL', () => {
  let state: string;
  let postgres: EmbeddedPostgres;
  let database: Database;
  const cleanups: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    state = await mkdtemp(join(tmpdir(), 'uplink-'));
    // The server runs as a user of its own when the tests run as root.
    await chmod(state, 0o755);
    const logger = new MemoryLogger();
    postgres = new EmbeddedPostgres({ state, database: 'region' }, { clock: systemClock, logger });
    await postgres.start();
    database = new Database({ url: postgres.url }, { logger });
    await database.start();
  });

  afterAll(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
    await database.stop();
    await postgres.stop();
    await rm(state, { recursive: true, force: true });
  });

  test('whose database and links are killed again and again in mid-transaction holds everything once', async () => {
    const store = new PostgresIngestStore({ clock: systemClock, database });
    const region = await RegionEnd.start(store);
    cleanups.push(() => region.stop());
    const proxy = new TcpProxy({ port: region.port });
    await proxy.start();
    cleanups.push(() => proxy.stop());
    const tokens = new EnrolmentTokens({
      clock: systemClock,
      database,
      regionPeer: region.identity.peerId,
    });
    const site = SiteId.parse('north');
    const { token } = await tokens.create({ site, expiresInMs: 60_000, uses: 1, createdBy: 'test' });
    const gateway = await GatewayEnd.start({ addresses: [`127.0.0.1:${proxy.port}`], token });
    cleanups.push(() => gateway.remove());
    await expect.poll(() => gateway.uplink.state, { timeout: 20_000 }).toMatchObject({ state: 'connected' });
    proxy.weather = { refuse: true };
    proxy.cut();
    await gateway.fillJournal(SAMPLES);
    const { lastSeq } = gateway.journal.stats();
    proxy.weather = { bytesPerSecond: 600_000 };

    const held = () => gateway.uplink.counters.acked?.seq ?? -1;
    for (const [part, harm] of [
      [0.2, () => killServer()],
      [0.4, () => proxy.cut()],
      [0.6, () => killServer()],
    ] as const) {
      await expect.poll(held, { timeout: 60_000 }).toBeGreaterThan(lastSeq * part);
      harm();
    }
    proxy.weather = {};
    await expect.poll(held, { timeout: 60_000 }).toBeGreaterThanOrEqual(lastSeq);

    const frames = await database.read.selectFrom('frames').select(['seq', 'bytes']).orderBy('seq').execute();
    const gaps = await database.read.selectFrom('gaps').selectAll().execute();
    expect(gaps).toEqual([]);
    expect(frames.map(({ seq }) => seq)).toEqual(frames.map((_, at) => at));
    const samples = frames.reduce((sum, { bytes }) => sum + decodeFrame(bytes).header.sampleCount, 0);
    expect(samples).toBe(SAMPLES);

    function killServer(): void {
      const { pid } = postgres;
      if (pid === undefined) throw new Error('the database is down already');
      process.kill(pid, 'SIGKILL');
    }
  });
});
