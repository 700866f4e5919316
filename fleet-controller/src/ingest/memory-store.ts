import {
  type CatalogEntry,
  type Clock,
  type DeviceStatus,
  decodeFrame,
  type EnrolRequest,
  enrolTokenDigest,
  type GatewayId,
  gatewayIdOf,
  InvalidInputError,
  type JournalEntry,
  type JournalPosition,
  type SiteId,
  UnauthorizedError,
  type UplinkUp,
} from '@millwright/protocol';
import type { EnrolResult, IngestStore } from './ports.ts';

interface Token {
  readonly site: SiteId | undefined;
  readonly expiresAtMs: number;
  usedBy: GatewayId | undefined;
}

interface GatewayRecord {
  readonly name: string;
  readonly catalog: CatalogEntry[];
  readonly devices: Map<string, DeviceStatus>;
  /** By epoch. */
  readonly entries: Map<number, JournalEntry[]>;
  heldUntilMs: number | undefined;
  connected: boolean;
}

/** What gateways sent, as long as the process lives: the twin of the PostgreSQL store, for tests and measurements. */
export class MemoryIngestStore implements IngestStore {
  readonly #clock: Clock;
  readonly #tokens = new Map<string, Token>();
  readonly #gateways = new Map<GatewayId, GatewayRecord>();

  constructor(deps: { readonly clock: Clock }) {
    this.#clock = deps.clock;
  }

  async addToken(token: {
    readonly token: string;
    readonly site?: SiteId;
    readonly expiresAtMs: number;
  }): Promise<void> {
    this.#tokens.set(enrolTokenDigest(token.token), {
      site: token.site,
      expiresAtMs: token.expiresAtMs,
      usedBy: undefined,
    });
  }

  async enrol(request: EnrolRequest, publicKey: Uint8Array): Promise<EnrolResult> {
    const gateway = gatewayIdOf(publicKey);
    if (this.#gateways.has(gateway)) return { ok: true, gateway };
    const token = this.#tokens.get(enrolTokenDigest(request.token));
    if (token === undefined) return refused('TOKEN_UNKNOWN', 'this region did not issue the token');
    if (token.usedBy !== undefined) {
      return refused('TOKEN_USED', 'the token was used by another gateway already');
    }
    if (token.expiresAtMs < this.#clock.wallMs()) return refused('TOKEN_EXPIRED', 'the token has expired');
    if (token.site !== undefined && token.site !== request.site) {
      return refused('TOKEN_SITE', `the token is for the site "${token.site}", not "${request.site}"`);
    }
    if ([...this.#gateways.values()].some((other) => other.name === request.name)) {
      return refused('NAME_TAKEN', `another gateway is called "${request.name}"`);
    }
    token.usedBy = gateway;
    this.#gateways.set(gateway, {
      name: request.name,
      catalog: [],
      devices: new Map(),
      entries: new Map(),
      heldUntilMs: undefined,
      connected: false,
    });
    return { ok: true, gateway };
  }

  async gatewayByKey(publicKey: Uint8Array): Promise<GatewayId | null> {
    const gateway = gatewayIdOf(publicKey);
    return this.#gateways.has(gateway) ? gateway : null;
  }

  async hello(hello: Extract<UplinkUp, { type: 'hello' }>): Promise<{
    acked: JournalPosition | null;
    catalogSize: number;
    heldUntilMs?: number;
  }> {
    const record = this.#record(hello.gateway);
    const last = record.entries.get(hello.epoch)?.at(-1);
    return {
      acked: last === undefined ? null : { epoch: hello.epoch, seq: last.seqEnd },
      catalogSize: record.catalog.length,
      ...(record.heldUntilMs === undefined ? {} : { heldUntilMs: record.heldUntilMs }),
    };
  }

  async appendCatalog(gateway: GatewayId, from: number, entries: readonly CatalogEntry[]): Promise<void> {
    const { catalog } = this.#record(gateway);
    const added: CatalogEntry[] = [];
    for (const [at, entry] of entries.entries()) {
      const no = from + at;
      const held = catalog[no];
      if (entry.no !== no || no > catalog.length + added.length) {
        throw new InvalidInputError('CATALOG_HOLE', `catalogue line ${entry.no} comes as number ${no}`);
      }
      if (held === undefined) added.push(entry);
      else if (!sameMeaning(held, entry)) {
        throw new InvalidInputError('CATALOG_REDEFINED', `catalogue line ${no} means something else already`);
      }
    }
    catalog.push(...added);
  }

  async upsertDevices(
    gateway: GatewayId,
    devices: readonly DeviceStatus[],
    complete: boolean,
  ): Promise<void> {
    const held = this.#record(gateway).devices;
    if (complete) held.clear();
    for (const device of devices) held.set(device.device, device);
  }

  async appendEntries(gateway: GatewayId, entries: readonly JournalEntry[]): Promise<JournalPosition> {
    const record = this.#record(gateway);
    const [first] = entries;
    if (first === undefined) throw new InvalidInputError('ENTRIES_EMPTY', 'there is nothing to append');
    const { epoch } = first;
    const held = record.entries.get(epoch) ?? [];
    const added: JournalEntry[] = [];
    let seq = held.at(-1)?.seqEnd ?? -1;
    let heldUntilMs = record.heldUntilMs;
    for (const entry of entries) {
      const lastMs = readableUntilMs(entry, epoch);
      if (entry.seqEnd <= seq) continue;
      if (entry.seq > seq + 1) {
        throw new InvalidInputError(
          'ENTRY_HOLE',
          `entry ${entry.seq} of epoch ${epoch} would leave a hole after ${seq}`,
        );
      }
      added.push(entry.kind === 'gap' ? { ...entry, seq: seq + 1 } : entry);
      seq = entry.seqEnd;
      if (lastMs !== undefined) heldUntilMs = Math.max(heldUntilMs ?? lastMs, lastMs);
    }
    held.push(...added);
    record.entries.set(epoch, held);
    record.heldUntilMs = heldUntilMs;
    return { epoch, seq };
  }

  async setConnected(gateway: GatewayId, connected: boolean): Promise<void> {
    this.#record(gateway).connected = connected;
  }

  /** Everything held of a gateway, by (epoch, seq). */
  entriesOf(gateway: GatewayId): readonly JournalEntry[] {
    const epochs = [...this.#record(gateway).entries].sort(([a], [b]) => a - b);
    return epochs.flatMap(([, entries]) => entries);
  }

  catalogOf(gateway: GatewayId): readonly CatalogEntry[] {
    return this.#record(gateway).catalog;
  }

  /** By device name. */
  devicesOf(gateway: GatewayId): readonly DeviceStatus[] {
    return [...this.#record(gateway).devices.values()].sort((a, b) => (a.device < b.device ? -1 : 1));
  }

  isConnected(gateway: GatewayId): boolean {
    return this.#record(gateway).connected;
  }

  #record(gateway: GatewayId): GatewayRecord {
    const record = this.#gateways.get(gateway);
    if (record === undefined) {
      throw new UnauthorizedError('NOT_ENROLLED', `the gateway ${gateway} is not enrolled here`);
    }
    return record;
  }
}

/** Newest source time of a frame; undefined for what is none. */
function readableUntilMs(entry: JournalEntry, epoch: number): number | undefined {
  if (entry.epoch !== epoch || entry.seqEnd < entry.seq) {
    throw new InvalidInputError('ENTRY_MISPLACED', `entry ${entry.epoch}/${entry.seq} does not belong here`);
  }
  if (entry.kind !== 'frame') return undefined;
  const { header } = decodeFrame(entry.bytes);
  if (header.epoch !== epoch || header.seq !== entry.seq) {
    throw new InvalidInputError(
      'ENTRY_MISPLACED',
      `entry ${epoch}/${entry.seq} holds the frame ${header.epoch}/${header.seq}`,
    );
  }
  return header.sampleCount === 0 ? undefined : header.lastMs;
}

/** The label is for people and may be corrected. */
function sameMeaning(a: CatalogEntry, b: CatalogEntry): boolean {
  return a.device === b.device && a.point === b.point && a.kind === b.kind && a.unit === b.unit;
}

function refused(code: Extract<EnrolResult, { ok: false }>['code'], message: string): EnrolResult {
  return { ok: false, code, message };
}
