import {
  type CatalogEntry,
  type DeviceSlug,
  type DeviceStatus,
  enrolTokenDigest,
  FrameWriter,
  type GatewayId,
  type JournalEntry,
  PointNo,
  SampleBatch,
} from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { TEST_SERVERS, TestServer } from '../postgres/test-server.fixture.ts';
import { Database } from '../store/database.ts';
import { PostgresIngestStore } from './postgres-store.ts';
import { describeIngestStore, type EncodeTestFrame, type StoreFixture } from './store-contract.ts';

const encodeTestFrame: EncodeTestFrame = ({ epoch, seq, timesMs }) => {
  const batch = new SampleBatch(timesMs.length);
  for (const timeMs of timesMs) batch.pushNumber(PointNo.parse(0), timeMs, timeMs, 1);
  const writer = new FrameWriter();
  writer.append(batch);
  return writer.seal({ epoch, seq });
};

for (const { name, binaries } of TEST_SERVERS) {
  describe(name, () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await TestServer.start(binaries);
    }, 60_000);
    afterAll(() => server.stop());

    describeIngestStore(name, async () => openFixture(await server.newDatabase()), encodeTestFrame);
  });
}

async function openFixture(url: string): Promise<StoreFixture> {
  const clock = new MemoryClock();
  const open: Database[] = [];
  const connect = async () => {
    const database = new Database({ url, connections: 4 }, { logger: new MemoryLogger() });
    await database.start();
    open.push(database);
    return database;
  };
  const database = await connect();
  return {
    store: new PostgresIngestStore({ clock, database }),
    clock,
    addToken: async ({ token, site, expiresAtMs }) => {
      const digest = enrolTokenDigest(token);
      await database.write
        .insertInto('enrolment_tokens')
        .values({
          id: digest.slice(0, 12),
          digest,
          site: site ?? null,
          created_at_ms: clock.wallMs(),
          created_by: 'test',
          expires_at_ms: expiresAtMs,
          uses: 1,
          uses_left: 1,
        })
        .execute();
    },
    entries: (gateway) => entriesOf(database, gateway),
    catalog: (gateway) => catalogOf(database, gateway),
    devices: (gateway) => devicesOf(database, gateway),
    connected: async (gateway) => (await gatewayOf(database, gateway)).connected,
    reopen: async () => new PostgresIngestStore({ clock, database: await connect() }),
    close: async () => {
      await Promise.all(open.map((each) => each.stop()));
    },
  };
}

async function gatewayOf(database: Database, id: GatewayId) {
  return database.read.selectFrom('gateways').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
}

async function entriesOf(database: Database, id: GatewayId): Promise<JournalEntry[]> {
  const { key, site } = await gatewayOf(database, id);
  const frames = await database.read.selectFrom('frames').selectAll().where('gateway', '=', key).execute();
  const gaps = await database.read.selectFrom('gaps').selectAll().where('gateway', '=', key).execute();
  const events = await database.read.selectFrom('events').selectAll().where('gateway', '=', key).execute();
  const entries: JournalEntry[] = [
    ...frames.map(({ epoch, seq, bytes }): JournalEntry => {
      return { kind: 'frame', epoch, seq, seqEnd: seq, bytes: new Uint8Array(bytes) };
    }),
    ...gaps.map((row): JournalEntry => {
      const gap = {
        reason: row.reason as Extract<JournalEntry, { kind: 'gap' }>['gap']['reason'],
        fromMs: row.from_ms,
        toMs: row.to_ms,
        ...(row.samples === null ? {} : { samples: row.samples }),
        ...(row.detail === null ? {} : { detail: row.detail }),
      };
      return { kind: 'gap', epoch: row.epoch, seq: row.seq, seqEnd: row.seq_end, gap };
    }),
    ...events.map((row): JournalEntry => {
      const event = {
        id: row.id,
        atMs: row.at_ms,
        type: row.type as Extract<JournalEntry, { kind: 'event' }>['event']['type'],
        message: row.message,
        ...(row.device_id === null ? {} : { device: row.device_id.slice(`dev_${site}.`.length) }),
        ...(row.point === null ? {} : { point: row.point }),
        ...(row.data === null ? {} : { data: row.data }),
      };
      return { kind: 'event', epoch: row.epoch, seq: row.seq, seqEnd: row.seq, event };
    }),
  ];
  return entries.sort((a, b) => a.epoch - b.epoch || a.seq - b.seq);
}

async function catalogOf(database: Database, id: GatewayId): Promise<CatalogEntry[]> {
  const { key, site } = await gatewayOf(database, id);
  const rows = await database.read
    .selectFrom('series')
    .selectAll()
    .where('gateway', '=', key)
    .orderBy('no')
    .execute();
  return rows.map((row) => ({
    no: PointNo.parse(row.no),
    device: row.device_id.slice(`dev_${site}.`.length) as DeviceSlug,
    point: row.point as CatalogEntry['point'],
    kind: row.kind,
    ...(row.unit === null ? {} : { unit: row.unit }),
    ...(row.label === null ? {} : { label: row.label }),
    ...(row.class === null ? {} : { class: row.class }),
    ...(row.writable === null ? {} : { writable: row.writable }),
  }));
}

async function devicesOf(database: Database, id: GatewayId): Promise<DeviceStatus[]> {
  const { key, site } = await gatewayOf(database, id);
  const rows = await database.read
    .selectFrom('devices')
    .selectAll()
    .where('gateway', '=', key)
    .where('gone_at_ms', 'is', null)
    .orderBy('id')
    .execute();
  return rows.map((row) => ({
    device: row.id.slice(`dev_${site}.`.length) as DeviceSlug,
    name: row.name,
    ...(row.type === null ? {} : { type: row.type }),
    driver: row.driver,
    online: row.online,
    ...(row.why === null ? {} : { why: row.why }),
    sinceMs: row.since_ms,
  }));
}
