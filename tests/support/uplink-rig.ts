import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type IngestStore, type LiveHub, UplinkServer } from '@millwright/fleet-controller/testing';
import {
  type CatalogSource,
  type DeviceStatusSource,
  type Journal,
  JournalConfig,
  type KvFile,
  KvJournal,
  type LiveSource,
  MemoryKvFile,
  tokenFile,
  Uplink,
  type UplinkDeps,
} from '@millwright/gateway/testing';
import {
  type CatalogEntry,
  type Clock,
  DeviceSlug,
  type DeviceStatus,
  formatEnrolToken,
  type GatewayId,
  gatewayIdOf,
  PointId,
  PointNo,
  RegionId,
  SampleBatch,
  SiteId,
  type Value,
} from '@millwright/protocol';
import {
  createHost,
  type Host,
  type HostIdentity,
  type HostOptions,
  loadOrCreateIdentity,
  systemClock,
  temporaryIdentity,
} from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';

type Timing = Pick<HostOptions, 'keepAliveMs' | 'silenceMs'>;

/** Remembers what it was told, with the newest value of each point. */
export class RecordingHub implements LiveHub {
  readonly latest = new Map<number, Value>();
  readonly online = new Set<GatewayId>();
  frames = 0;

  accept(_gateway: GatewayId, batch: SampleBatch): void {
    this.frames += 1;
    for (let row = 0; row < batch.length; row++) this.latest.set(batch.point[row] ?? -1, batch.valueAt(row));
  }

  connected(gateway: GatewayId, connected: boolean): void {
    if (connected) this.online.add(gateway);
    else this.online.delete(gateway);
  }
}

/** The region's end on loopback. It may be stopped and started again on the same port, with another store if wanted. */
export class RegionEnd {
  readonly identity: HostIdentity;
  readonly hub = new RecordingHub();
  readonly logger = new MemoryLogger();
  store: IngestStore;
  readonly #timing: Timing;
  readonly #clock: Clock;
  #host: Host | undefined;
  #server: UplinkServer | undefined;
  #port = 0;

  private constructor(parts: { identity: HostIdentity; store: IngestStore; timing: Timing; clock: Clock }) {
    this.identity = parts.identity;
    this.store = parts.store;
    this.#timing = parts.timing;
    this.#clock = parts.clock;
  }

  /** @param options.clock for the server's own waiting; the network keeps the machine's */
  static async start(
    store: IngestStore,
    options: Timing & { readonly clock?: Clock } = {},
  ): Promise<RegionEnd> {
    const { clock = systemClock, ...timing } = options;
    const region = new RegionEnd({ identity: await temporaryIdentity(), store, timing, clock });
    await region.start();
    return region;
  }

  async start(): Promise<void> {
    this.#host = createHost({
      identity: this.identity,
      listen: [`/ip4/127.0.0.1/tcp/${this.#port}`],
      clock: systemClock,
      logger: this.logger,
      ...this.#timing,
    });
    this.#server = new UplinkServer({
      host: this.#host,
      store: this.store,
      live: this.hub,
      region: RegionId.parse('north'),
      clock: this.#clock,
      logger: this.logger,
    });
    await this.#server.start();
    await this.#host.start();
    this.#port = Number(/tcp\/(\d+)/.exec(this.#host.addresses()[0] ?? '')?.[1]);
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    await this.#host?.stop();
  }

  get server(): UplinkServer {
    if (this.#server === undefined) throw new Error('the region was not started');
    return this.#server;
  }

  get port(): number {
    return this.#port;
  }

  newToken(): string {
    const secret = crypto.getRandomValues(new Uint8Array(16));
    return formatEnrolToken({ regionPeer: this.identity.peerId, secret });
  }
}

/** Newest values by point, as the points table keeps them. */
export class MemoryLive implements LiveSource {
  readonly #values = new Map<PointNo, number>();
  readonly #dirty = new Set<PointNo>();
  #listener: () => void = () => undefined;

  set(point: PointNo, value: number): void {
    this.#values.set(point, value);
    this.#dirty.add(point);
    this.#listener();
  }

  drainInto(into: SampleBatch): boolean {
    const before = into.length;
    for (const point of this.#dirty) {
      if (into.isFull) break;
      into.pushNumber(point, Date.now(), Date.now(), this.#values.get(point) ?? 0);
      this.#dirty.delete(point);
    }
    return into.length > before;
  }

  onDirty(listener: () => void): () => void {
    this.#listener = listener;
    return () => {
      this.#listener = () => undefined;
    };
  }

  markAllDirty(): void {
    for (const point of this.#values.keys()) this.#dirty.add(point);
    this.#listener();
  }
}

/** A list that tells when it changed. */
class Listened<T> {
  items: readonly T[];
  #listeners = new Set<(changed: readonly T[]) => void>();

  constructor(items: readonly T[]) {
    this.items = items;
  }

  on(listener: (changed: readonly T[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(changed: readonly T[]): void {
    for (const listener of this.#listeners) listener(changed);
  }
}

export interface GatewayEndOptions extends Timing {
  readonly addresses: readonly string[];
  readonly token?: string;
  readonly name?: string;
  readonly commands?: UplinkDeps['commands'];
  readonly alarms?: NonNullable<UplinkDeps['alarms']>;
  readonly points?: number;
  readonly journal?: Partial<JournalConfig>;
  /** False for a gateway that does not look for its region until `uplink.start()`. */
  readonly connect?: boolean;
}

/** The gateway's end: a journal, a catalogue, devices, live values, and the uplink over them. */
export class GatewayEnd {
  readonly stateDir: string;
  readonly gateway: GatewayId;
  readonly host: Host;
  readonly journal: Journal;
  readonly live = new MemoryLive();
  readonly logger = new MemoryLogger();
  readonly uplink: Uplink;
  readonly #catalog: Listened<CatalogEntry>;
  readonly #devices: Listened<DeviceStatus>;
  readonly #batch = new SampleBatch(8192);

  private constructor(stateDir: string, identity: HostIdentity, kv: KvFile, options: GatewayEndOptions) {
    this.stateDir = stateDir;
    this.gateway = gatewayIdOf(identity.publicKey);
    const { clock, logger } = { clock: systemClock, logger: this.logger };
    const { keepAliveMs, silenceMs } = options;
    this.host = createHost({
      ...{ identity, listen: [], clock, logger },
      ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
      ...(silenceMs === undefined ? {} : { silenceMs }),
    });
    const config = JournalConfig.parse({
      ...{ durableWithinMs: 20, frameAgeMs: 100, eventVisibleWithinMs: 20, eventSealEveryMs: 20 },
      ...options.journal,
    });
    this.journal = new KvJournal({ clock, logger, file: kv }, config);
    this.#catalog = new Listened(Array.from({ length: options.points ?? 1 }, (_, no) => catalogLine(no)));
    this.#devices = new Listened([deviceStatus('pump-1', true)]);
    this.uplink = new Uplink(
      {
        host: this.host,
        journal: this.journal,
        catalog: this.catalogSource(),
        devices: this.deviceSource(),
        live: this.live,
        commands: options.commands ?? (async ({ id }) => ({ id, result: 'done', message: 'ok', atMs: 1 })),
        ...(options.alarms === undefined ? {} : { alarms: options.alarms }),
        facts: {
          gateway: this.gateway,
          name: options.name ?? 'hall-1',
          site: SiteId.parse('north'),
          version: '0.1.0',
          startedAtMs: clock.wallMs(),
        },
        hardware: { arch: process.arch },
        readToken: tokenFile(join(stateDir, 'token')),
        clock,
        logger,
      },
      { stateDir, addresses: options.addresses },
    );
  }

  /** @param from another gateway whose state folder and journal it takes over, as after a restart or a copied disk */
  static async start(
    options: GatewayEndOptions,
    from?: { readonly stateDir?: string; readonly kv?: KvFile },
  ) {
    const stateDir = from?.stateDir ?? (await mkdtemp(join(tmpdir(), 'uplink-')));
    const kv = from?.kv ?? new MemoryKvFile();
    const identity = await loadOrCreateIdentity(stateDir);
    const end = new GatewayEnd(stateDir, identity, kv, options);
    if (options.token !== undefined) await end.putToken(options.token);
    await end.journal.start();
    await end.host.start();
    if (options.connect !== false) await end.uplink.start();
    return Object.assign(end, { kv });
  }

  async stop(): Promise<void> {
    await this.uplink.stop();
    await this.host.stop();
    await this.journal.stop();
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.stateDir, { recursive: true, force: true });
  }

  async putToken(token: string): Promise<void> {
    await writeFile(join(this.stateDir, 'token'), `${token}\n`);
  }

  /** Appends samples that do not compress, so that frames fill: about 7,000 make one. */
  async fillJournal(samples: number): Promise<void> {
    for (let at = 0; at < samples; ) {
      this.#batch.clear();
      for (; at < samples && !this.#batch.isFull; at++) {
        this.#batch.pushNumber(PointNo.parse(0), Date.now() + at, Date.now() + at, Math.random());
      }
      this.journal.append(this.#batch);
      await this.journal.flush();
    }
  }

  growCatalog(): void {
    this.#catalog.items = [...this.#catalog.items, catalogLine(this.#catalog.items.length)];
    this.#catalog.tell(this.#catalog.items);
  }

  setDevices(devices: readonly DeviceStatus[], changed: readonly DeviceStatus[]): void {
    this.#devices.items = devices;
    this.#devices.tell(changed);
  }

  private catalogSource(): CatalogSource {
    return { entries: () => this.#catalog.items, onGrown: (listener) => this.#catalog.on(listener) };
  }

  private deviceSource(): DeviceStatusSource {
    return { statuses: () => this.#devices.items, onChanged: (listener) => this.#devices.on(listener) };
  }
}

export function catalogLine(no: number): CatalogEntry {
  return {
    no: PointNo.parse(no),
    device: DeviceSlug.parse('pump-1'),
    point: PointId.parse(`p${no}`),
    kind: 'float64',
    unit: 'bar',
  };
}

export function deviceStatus(name: string, online: boolean): DeviceStatus {
  return { device: DeviceSlug.parse(name), name, driver: 'modbus', online, sinceMs: 1_767_225_600_000 };
}
