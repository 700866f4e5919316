import {
  type CatalogEntry,
  DeviceSlug,
  type DeviceStatus,
  type EventRecord,
  encodeFrame,
  enrolTokenDigest,
  type GapRecord,
  type GatewayId,
  type JournalEntry,
  PointId,
  PointNo,
  type QualityByte,
  SampleBatch,
  SiteId,
  type Value,
} from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { EventFeed } from './events/event-feed.ts';
import { Directory } from './ingest/directory.ts';
import { PostgresIngestStore } from './ingest/postgres-store.ts';
import { LiveValues } from './live/live-values.ts';
import { Database } from './store/database.ts';

/** A sample by point number: [point, time, value, quality]. */
export type TestSample = readonly [no: number, tMs: number, value: Value, quality?: QualityByte];

export type TestLine = Partial<Omit<CatalogEntry, 'no' | 'device' | 'point'>> & {
  readonly device?: string;
  readonly point: string;
};

/** A region's data on a real database, with a clock that stands still. */
export class RegionData {
  readonly clock = new MemoryClock(Date.UTC(2026, 2, 1, 12));
  readonly logger = new MemoryLogger();
  readonly directory = new Directory();
  readonly database: Database;
  readonly live: LiveValues;
  readonly feed: EventFeed;
  readonly store: PostgresIngestStore;
  readonly #seqs = new Map<GatewayId, number>();

  private constructor(database: Database) {
    const { clock, logger, directory } = this;
    this.database = database;
    this.live = new LiveValues({ clock, logger, directory });
    this.feed = new EventFeed({ values: this.live });
    this.store = new PostgresIngestStore({ clock, database, directory, listener: this.feed });
  }

  static async open(url: string): Promise<RegionData> {
    const database = new Database({ url, connections: 4 }, { logger: new MemoryLogger() });
    await database.start();
    return new RegionData(database);
  }

  close(): Promise<void> {
    return this.database.stop();
  }

  /** Enrols a gateway of site "hall" with these points; device "pump" unless a line names another. */
  async gateway(name: string, lines: readonly TestLine[]): Promise<GatewayId> {
    const token = `token of ${name}`;
    await this.database.write
      .insertInto('enrolment_tokens')
      .values({
        id: name,
        digest: enrolTokenDigest(token),
        site: null,
        created_at_ms: 0,
        created_by: 'test',
        expires_at_ms: this.clock.wallMs() + 1000,
        uses: 1,
        uses_left: 1,
      })
      .execute();
    const key = new Uint8Array(32);
    new TextEncoder().encodeInto(name, key);
    const request = { token, name, site: SiteId.parse('hall'), version: '1', hardware: {} };
    const enrolled = await this.store.enrol(request, key);
    if (!enrolled.ok) throw new TypeError(enrolled.message);
    await this.addLines(enrolled.gateway, lines);
    return enrolled.gateway;
  }

  async addLines(gateway: GatewayId, lines: readonly TestLine[]): Promise<void> {
    const known = (await this.directory.of(this.database.write, gateway)).lines.length;
    const entries = lines.map(({ device = 'pump', point, kind = 'float64', ...rest }, at): CatalogEntry => {
      return {
        ...rest,
        no: PointNo.parse(known + at),
        device: DeviceSlug.parse(device),
        point: PointId.parse(point),
        kind,
      };
    });
    await this.store.appendCatalog(gateway, known, entries);
  }

  async devices(gateway: GatewayId, ...devices: readonly string[]): Promise<void> {
    await this.store.upsertDevices(
      gateway,
      devices.map((device) => deviceStatus(device)),
      true,
    );
  }

  /** The next frame of a gateway, not stored. */
  frame(gateway: GatewayId, samples: readonly TestSample[]): JournalEntry {
    const id = { epoch: 1, seq: this.#next(gateway) };
    return { kind: 'frame', ...id, seqEnd: id.seq, bytes: encodeFrame(batchOf(samples), id) };
  }

  event(gateway: GatewayId, event: Partial<EventRecord> & Pick<EventRecord, 'type'>): JournalEntry {
    const seq = this.#next(gateway);
    const full = { id: `e${seq}`, atMs: this.clock.wallMs(), message: event.type, ...event };
    return { kind: 'event', epoch: 1, seq, seqEnd: seq, event: full };
  }

  gap(gateway: GatewayId, gap: GapRecord): JournalEntry {
    const seq = this.#next(gateway);
    return { kind: 'gap', epoch: 1, seq, seqEnd: seq, gap };
  }

  async storeSamples(gateway: GatewayId, ...frames: readonly (readonly TestSample[])[]): Promise<void> {
    await this.store.appendEntries(
      gateway,
      frames.map((samples) => this.frame(gateway, samples)),
    );
  }

  sendLive(gateway: GatewayId, samples: readonly TestSample[]): void {
    this.live.accept(gateway, batchOf(samples));
  }

  #next(gateway: GatewayId): number {
    const seq = this.#seqs.get(gateway) ?? 0;
    this.#seqs.set(gateway, seq + 1);
    return seq;
  }
}

export function batchOf(samples: readonly TestSample[]): SampleBatch {
  const batch = new SampleBatch(Math.max(1, samples.length));
  for (const [no, tMs, value, quality] of samples)
    batch.push(PointNo.parse(no), tMs, tMs + 5, value, quality);
  return batch;
}

export function deviceStatus(device: string, overrides: Partial<DeviceStatus> = {}): DeviceStatus {
  return {
    device: DeviceSlug.parse(device),
    name: `The ${device}`,
    driver: 'modbus',
    online: true,
    sinceMs: 1000,
    ...overrides,
  };
}
