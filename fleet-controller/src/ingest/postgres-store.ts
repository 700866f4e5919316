import {
  type CatalogEntry,
  type Clock,
  type DeviceStatus,
  deviceIdOf,
  type EnrolRequest,
  enrolTokenDigest,
  type GatewayId,
  gatewayIdOf,
  InvalidInputError,
  type JournalEntry,
  type JournalPosition,
  type UplinkUp,
} from '@millwright/protocol';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { Database } from '../store/database.ts';
import { onDatabase } from '../store/errors.ts';
import type { Tables } from '../store/tables.ts';
import { Directory, type GatewayLines } from './directory.ts';
import { EntryAppend } from './entry-append.ts';
import type { EnrolResult, IngestStore } from './ports.ts';
import { deviceOf } from './storable.ts';
import { NO_LISTENER, type StoreListener } from './store-listener.ts';

/** What the store did since it was made; for rates and metrics. */
export interface IngestStats {
  frames: number;
  samples: number;
  events: number;
  gaps: number;
  commits: number;
}

interface Deps {
  readonly clock: Clock;
  readonly database: Database;
  readonly directory?: Directory;
  readonly listener?: StoreListener;
}

/** What gateways send, in PostgreSQL. */
export class PostgresIngestStore implements IngestStore {
  readonly stats: IngestStats = { frames: 0, samples: 0, events: 0, gaps: 0, commits: 0 };
  readonly #clock: Clock;
  readonly #database: Database;
  readonly #directory: Directory;
  readonly #listener: StoreListener;
  readonly #append = new EntryAppend();

  constructor(deps: Deps) {
    this.#clock = deps.clock;
    this.#database = deps.database;
    this.#directory = deps.directory ?? new Directory();
    this.#listener = deps.listener ?? NO_LISTENER;
  }

  async enrol(request: EnrolRequest, publicKey: Uint8Array): Promise<EnrolResult> {
    const gateway = gatewayIdOf(publicKey);
    const nowMs = this.#clock.wallMs();
    const result = await this.#database.transaction(async (trx): Promise<EnrolResult & { fresh?: true }> => {
      if (await isEnrolled(trx, publicKey)) return { ok: true, gateway };
      const token = await trx
        .selectFrom('enrolment_tokens')
        .selectAll()
        .where('digest', '=', enrolTokenDigest(request.token))
        .forUpdate()
        .executeTakeFirst();
      if (token === undefined) return refused('TOKEN_UNKNOWN', 'this region did not issue the token');
      if (token.uses_left < 1) return refused('TOKEN_USED', 'the token was used by another gateway already');
      if (token.expires_at_ms < nowMs) return refused('TOKEN_EXPIRED', 'the token has expired');
      if (token.site !== null && token.site !== request.site) {
        return refused('TOKEN_SITE', `the token is for the site "${token.site}", not "${request.site}"`);
      }
      const created = await trx
        .insertInto('gateways')
        .values({
          id: gateway,
          public_key: Buffer.from(publicKey),
          name: request.name,
          site: request.site,
          version: request.version,
          hardware: JSON.stringify(request.hardware).replaceAll('\\u0000', '\ufffd'),
          enrolled_at_ms: nowMs,
        })
        .onConflict((conflict) => conflict.column('name').doNothing())
        .returning('key')
        .executeTakeFirst();
      if (created === undefined) {
        return refused('NAME_TAKEN', `another gateway is called "${request.name}"`);
      }
      await trx
        .updateTable('enrolment_tokens')
        .set({ uses_left: token.uses_left - 1 })
        .where('id', '=', token.id)
        .execute();
      await trx
        .insertInto('enrolment_uses')
        .values({ token: token.id, gateway: created.key, used_at_ms: nowMs })
        .execute();
      return { ok: true, gateway, fresh: true };
    });
    if (!result.ok) return result;
    if (result.fresh === true) {
      const { name, site, version } = request;
      this.#listener.gateway({ id: gateway, name, site, version, online: false });
    }
    return { ok: true, gateway };
  }

  async gatewayByKey(publicKey: Uint8Array): Promise<GatewayId | null> {
    const enrolled = await onDatabase(() => isEnrolled(this.#database.write, publicKey));
    return enrolled ? gatewayIdOf(publicKey) : null;
  }

  async hello(hello: Extract<UplinkUp, { type: 'hello' }>): Promise<{
    acked: JournalPosition | null;
    catalogSize: number;
    heldUntilMs?: number;
  }> {
    return this.#database.transaction(async (trx) => {
      const { key, lines } = await this.#directory.reload(trx, hello.gateway);
      const row = await trx
        .updateTable('gateways')
        .set({ version: hello.version, last_seen_ms: this.#clock.wallMs() })
        .where('key', '=', key)
        .returning('held_until_ms')
        .executeTakeFirstOrThrow();
      const journal = await trx
        .selectFrom('journals')
        .select('seq')
        .where('gateway', '=', key)
        .where('epoch', '=', hello.epoch)
        .executeTakeFirst();
      const isHeld = journal !== undefined && journal.seq >= 0;
      return {
        acked: isHeld ? { epoch: hello.epoch, seq: journal.seq } : null,
        catalogSize: lines.length,
        ...(row.held_until_ms === null ? {} : { heldUntilMs: row.held_until_ms }),
      };
    });
  }

  async appendCatalog(gateway: GatewayId, from: number, entries: readonly CatalogEntry[]): Promise<void> {
    await this.#database.transaction(async (trx) => {
      // The row is the lock: numbers are given out one call after the other.
      await trx.selectFrom('gateways').select('key').where('id', '=', gateway).forUpdate().execute();
      const held = await this.#directory.reload(trx, gateway);
      const added = newLines(held, from, entries);
      if (added.length === 0) return;
      await trx
        .insertInto('series')
        .values(
          added.map((entry) => ({
            gateway: held.key,
            no: entry.no,
            device_id: deviceIdOf(held.site, entry.device),
            point: entry.point,
            kind: entry.kind,
            unit: entry.unit ?? null,
            label: entry.label?.replaceAll('\0', '\ufffd') ?? null,
            class: entry.class ?? null,
            writable: entry.writable === undefined ? null : JSON.stringify(entry.writable),
          })),
        )
        .execute();
    });
    await onDatabase(() => this.#directory.reload(this.#database.write, gateway));
  }

  async upsertDevices(
    gateway: GatewayId,
    devices: readonly DeviceStatus[],
    complete: boolean,
  ): Promise<void> {
    const nowMs = this.#clock.wallMs();
    const known = await this.#known(gateway);
    const { changed, gone } = await this.#database.transaction(async (trx) => ({
      changed: await upsertDevices(trx, known, devices),
      gone: complete ? await removeOthers(trx, known, devices, nowMs) : [],
    }));
    for (const status of devices) {
      const id = deviceIdOf(known.site, status.device);
      if (!changed.has(id)) continue;
      const { device: _, ...news } = status;
      this.#listener.device({ ...news, id, gateway, site: known.site, gone: false });
    }
    for (const row of gone) {
      this.#listener.device({
        id: row.id,
        name: row.name,
        driver: row.driver,
        ...(row.type === null ? {} : { type: row.type }),
        online: false,
        sinceMs: nowMs,
        gateway,
        site: known.site,
        gone: true,
      });
    }
  }

  async appendEntries(gateway: GatewayId, entries: readonly JournalEntry[]): Promise<JournalPosition> {
    const known = await this.#known(gateway);
    const appended = await this.#database.transaction((trx) => this.#append.append(trx, known, entries));
    this.stats.commits += 1;
    this.stats.frames += appended.frames;
    this.stats.samples += appended.samples;
    this.stats.gaps += appended.gaps.length;
    this.stats.events += appended.events.length;
    for (const { gap } of appended.gaps) this.#listener.gap({ ...gap, gateway });
    for (const { event } of appended.events) {
      this.#listener.event({ ...event, gateway, device: deviceOf(known, event.device) });
    }
    return appended.position;
  }

  async setConnected(gateway: GatewayId, connected: boolean): Promise<void> {
    const known = await this.#known(gateway);
    const row = await onDatabase(() =>
      this.#database.write
        .updateTable('gateways')
        .set({ connected, last_seen_ms: this.#clock.wallMs() })
        .where('id', '=', gateway)
        .returning(['name', 'version'])
        .executeTakeFirstOrThrow(),
    );
    this.#listener.gateway({ ...row, id: gateway, site: known.site, online: connected });
  }

  /** After a start nobody is connected, whatever the last process knew when it was killed. */
  async disconnectAll(): Promise<void> {
    await onDatabase(() =>
      this.#database.write
        .updateTable('gateways')
        .set({ connected: false })
        .where('connected', '=', true)
        .execute(),
    );
  }

  #known(gateway: GatewayId): Promise<GatewayLines> {
    return onDatabase(() => this.#directory.of(this.#database.write, gateway));
  }
}

async function isEnrolled(db: Kysely<Tables>, publicKey: Uint8Array): Promise<boolean> {
  const row = await db
    .selectFrom('gateways')
    .select('key')
    .where('public_key', '=', Buffer.from(publicKey))
    .executeTakeFirst();
  return row !== undefined;
}

function newLines(held: GatewayLines, from: number, entries: readonly CatalogEntry[]): CatalogEntry[] {
  const added: CatalogEntry[] = [];
  for (const [at, entry] of entries.entries()) {
    const no = from + at;
    const line = held.lines[no];
    if (entry.no !== no || no > held.lines.length + added.length) {
      throw new InvalidInputError('CATALOG_HOLE', `catalogue line ${entry.no} comes as number ${no}`);
    }
    if (line === undefined) {
      added.push(entry);
    } else if (
      line.device !== deviceIdOf(held.site, entry.device) ||
      line.point !== entry.point ||
      line.kind !== entry.kind ||
      line.unit !== entry.unit
    ) {
      throw new InvalidInputError('CATALOG_REDEFINED', `catalogue line ${no} means something else already`);
    }
  }
  return added;
}

/** @returns the ids of those that are not as they were */
async function upsertDevices(
  trx: Transaction<Tables>,
  gateway: GatewayLines,
  devices: readonly DeviceStatus[],
): Promise<ReadonlySet<string>> {
  const changed = new Set<string>();
  // The same device twice in one statement would be an error; the later line counts.
  const byId = new Map(devices.map((device) => [deviceIdOf(gateway.site, device.device), device]));
  if (byId.size === 0) return changed;
  const text = (value: string) => value.replaceAll('\0', '\ufffd');
  const rows = await trx
    .insertInto('devices')
    .values(
      [...byId].map(([id, device]) => ({
        id,
        gateway: gateway.key,
        name: text(device.name),
        type: device.type ?? null,
        driver: text(device.driver),
        online: device.online,
        why: device.why === undefined ? null : text(device.why),
        since_ms: Math.round(device.sinceMs),
        gone_at_ms: null,
      })),
    )
    .onConflict((conflict) =>
      conflict
        .column('id')
        .doUpdateSet((eb) => ({
          gateway: eb.ref('excluded.gateway'),
          name: eb.ref('excluded.name'),
          type: eb.ref('excluded.type'),
          driver: eb.ref('excluded.driver'),
          online: eb.ref('excluded.online'),
          why: eb.ref('excluded.why'),
          since_ms: eb.ref('excluded.since_ms'),
          gone_at_ms: null,
        }))
        .where(
          sql<boolean>`(devices.gateway, devices.name, devices.type, devices.driver, devices.online, devices.why,
            devices.since_ms, devices.gone_at_ms) is distinct from (excluded.gateway, excluded.name, excluded.type,
            excluded.driver, excluded.online, excluded.why, excluded.since_ms, excluded.gone_at_ms)`,
        ),
    )
    .returning('id')
    .execute();
  for (const { id } of rows) changed.add(id);
  return changed;
}

async function removeOthers(
  trx: Transaction<Tables>,
  gateway: GatewayLines,
  devices: readonly DeviceStatus[],
  nowMs: number,
) {
  const named = devices.map((device) => deviceIdOf(gateway.site, device.device));
  const rows = await trx
    .updateTable('devices')
    .set({ gone_at_ms: nowMs, online: false })
    .where('gateway', '=', gateway.key)
    .where('gone_at_ms', 'is', null)
    .where(sql<boolean>`id <> all(${named}::text[])`)
    .returning(['id', 'name', 'type', 'driver'])
    .execute();
  return rows.map((row) => ({ ...row, id: row.id as ReturnType<typeof deviceIdOf> }));
}

function refused(code: Extract<EnrolResult, { ok: false }>['code'], message: string): EnrolResult {
  return { ok: false, code, message };
}
