import {
  type DeviceId,
  type GatewayId,
  type JsonValue,
  qualityOf,
  reasonOf,
  type SiteId,
  toJsonValue,
} from '@millwright/protocol';
import { type RawBuilder, sql } from 'kysely';
import type { AlarmView, DeviceDetail, DeviceView, GatewayView, PointView } from '../api/schemas.ts';
import type { LiveValues } from '../live/live-values.ts';
import type { Database } from '../store/database.ts';
import { onDatabase } from '../store/errors.ts';
import { pageOf } from './cursor.ts';

const MAX_POINTS_OF_DEVICE = 10_000;

export interface Page {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

interface GatewayRow {
  readonly id: GatewayId;
  readonly name: string;
  readonly site: SiteId;
  readonly version: string;
  readonly connected: boolean;
  readonly last_seen_ms: number | null;
  readonly enrolled_at_ms: number;
  readonly devices: number;
  readonly devices_online: number;
  readonly frames: number;
  readonly samples: number;
  readonly gaps: number;
}

interface DeviceRow {
  readonly id: DeviceId;
  readonly name: string;
  readonly type: string | null;
  readonly driver: string;
  readonly online: boolean;
  readonly why: string | null;
  readonly since_ms: number;
  readonly last_value_ms: number | null;
  readonly gateway: GatewayId;
  readonly site: SiteId;
  readonly connected: boolean;
  readonly last_seen_ms: number | null;
  readonly alarms: number;
}

interface PointRow {
  readonly device: DeviceId;
  readonly no: number;
  readonly gateway: GatewayId;
  readonly point: string;
  readonly label: string | null;
  readonly unit: string | null;
  readonly kind: PointView['kind'];
  readonly class: PointView['class'];
  readonly writable: PointView['writable'];
  readonly last: number | null;
  readonly last_text: string | null;
  readonly last_ms: number | null;
  readonly last_gateway_ms: number | null;
  readonly last_quality: number | null;
}

/** Gateways, devices and points as they are now: what is stored, with the live values laid over it. */
export class InventoryReader {
  readonly #database: Database;
  readonly #live: LiveValues;

  constructor(deps: { readonly database: Database; readonly live: LiveValues }) {
    this.#database = deps.database;
    this.#live = deps.live;
  }

  get #isConnected() {
    return sql`g.id = any(${this.#live.connectedGateways}::text[])`;
  }

  get #selectDevices() {
    return sql`
      select d.id, d.name, d.type, d.driver, d.online, d.why, d.since_ms, d.last_value_ms, g.id as gateway, g.site,
        ${this.#isConnected} as connected, g.last_seen_ms,
        (select count(*) from alarms a where a.device_id = d.id and a.state in ('unacknowledged', 'acknowledged'))::int as alarms
      from devices d join gateways g on g.key = d.gateway`;
  }

  async gateways(page: Page): Promise<{ items: GatewayView[]; next: string | null }> {
    const { rows } = await onDatabase(() =>
      sql<GatewayRow>`
        select g.id, g.name, g.site, g.version, ${this.#isConnected} as connected, g.last_seen_ms, g.enrolled_at_ms,
          g.frames, g.samples, g.gaps, count(d.id)::int as devices,
          (count(d.id) filter (where d.online and ${this.#isConnected}))::int as devices_online
        from gateways g left join devices d on d.gateway = g.key and d.gone_at_ms is null
        where g.id > ${page.cursor ?? ''} group by g.key order by g.id
        limit ${page.limit + 1}`.execute(this.#database.read),
    );
    return pageOf(rows, page.limit, gatewayView, (row) => row.id);
  }

  async devices(
    page: Page & { readonly gateway?: GatewayId | undefined },
  ): Promise<{ items: DeviceView[]; next: string | null }> {
    const { rows } = await onDatabase(() =>
      sql<DeviceRow>`
        ${this.#selectDevices} where d.gone_at_ms is null and d.id > ${page.cursor ?? ''}
          and (${page.gateway ?? null}::text is null or g.id = ${page.gateway ?? null})
        order by d.id limit ${page.limit + 1}`.execute(this.#database.read),
    );
    return pageOf(rows, page.limit, deviceView, (row) => row.id);
  }

  /** @returns null when there is no such device, or no longer */
  async device(id: DeviceId): Promise<DeviceDetail | null> {
    const { rows } = await onDatabase(() =>
      sql<DeviceRow>`${this.#selectDevices} where d.id = ${id} and d.gone_at_ms is null`.execute(
        this.#database.read,
      ),
    );
    const [row] = rows;
    if (row === undefined) return null;
    const [found, alarms] = await Promise.all([
      this.#points(sql`d.id = ${id}`, MAX_POINTS_OF_DEVICE),
      this.#alarms(id),
    ]);
    const points = found.get(id) ?? [];
    const newest = Math.max(row.last_value_ms ?? 0, ...points.map(({ tGateway }) => tGateway ?? 0));
    return { ...deviceView(row), lastValueMs: newest === 0 ? null : newest, points, alarms };
  }

  /** The gateway that serves a point now. @returns null when there is no such point */
  async gatewayOf(device: DeviceId, point: string): Promise<GatewayId | null> {
    const { rows } = await onDatabase(() =>
      sql<{ id: GatewayId }>`
        select g.id from devices d join gateways g on g.key = d.gateway
        join series s on s.gateway = d.gateway and s.device_id = d.id
        where d.id = ${device} and d.gone_at_ms is null and s.point = ${point} limit 1`.execute(
        this.#database.read,
      ),
    );
    return rows[0]?.id ?? null;
  }

  /** The gateway that a device is connected to now. */
  async gatewayOfDevice(device: DeviceId): Promise<GatewayId | null> {
    const { rows } = await onDatabase(() =>
      sql<{ id: GatewayId }>`
        select g.id from devices d join gateways g on g.key = d.gateway
        where d.id = ${device} and d.gone_at_ms is null limit 1`.execute(this.#database.read),
    );
    return rows[0]?.id ?? null;
  }

  /** Points with their newest values, by device; at most `limit` points. */
  async latestByDevice(limit: number): Promise<Map<DeviceId, PointView[]>> {
    return this.#points(sql`d.gone_at_ms is null`, limit);
  }

  /** A point may have had several numbers; the one with the newest value is the one in use. */
  async #points(which: RawBuilder<unknown>, limit: number): Promise<Map<DeviceId, PointView[]>> {
    const { rows } = await onDatabase(() =>
      sql<PointRow>`
        select d.id as device, s.no, g.id as gateway, s.point, s.label, s.unit, s.kind, s.class, s.writable,
          r.last, r.last_text, r.last_ms, r.last_gateway_ms, r.last_quality
        from devices d join gateways g on g.key = d.gateway
        join series s on s.gateway = d.gateway and s.device_id = d.id
        left join lateral (select last, last_text, last_ms, last_gateway_ms, last_quality from rollup_1m
          where series = s.id order by bucket_ms desc limit 1) r on true
        where ${which} order by d.id, s.no limit ${limit}`.execute(this.#database.read),
    );
    const newest = new Map<DeviceId, Map<string, PointView>>();
    for (const row of rows) {
      const points = newest.get(row.device) ?? new Map<string, PointView>();
      const view = this.#pointView(row);
      const other = points.get(row.point);
      if (other === undefined || (view.tGateway ?? 0) >= (other.tGateway ?? 0)) points.set(row.point, view);
      newest.set(row.device, points);
    }
    return new Map([...newest].map(([device, points]) => [device, [...points.values()]]));
  }

  #pointView(row: PointRow): PointView {
    const about = {
      id: row.point,
      label: row.label,
      unit: row.unit,
      kind: row.kind,
      class: row.class,
      writable: row.writable,
    };
    const live = this.#live.latest(row.gateway, row.no);
    if (live !== undefined && live.tGateway >= (row.last_gateway_ms ?? 0)) {
      const { v, q, why, tSource, tGateway } = live;
      return { ...about, v: toJsonValue(v), q, why: (why ?? null) as PointView['why'], tSource, tGateway };
    }
    if (row.last_ms === null) {
      return { ...about, v: null, q: 'bad', why: 'not-yet-read', tSource: null, tGateway: null };
    }
    const quality = row.last_quality ?? 0;
    const why = reasonOf(quality);
    return {
      ...about,
      v: storedValue(row),
      q: qualityOf(quality),
      why: why === 'none' ? null : why,
      tSource: row.last_ms,
      tGateway: row.last_gateway_ms,
    };
  }

  async #alarms(device: DeviceId): Promise<AlarmView[]> {
    const { rows } = await onDatabase(() =>
      sql<{
        gateway: GatewayId;
        point: string;
        alarm: string;
        message: string;
        since_ms: number;
        state: string;
        priority: string | null;
        note: string | null;
      }>`
        select g.id as gateway, a.point, a.alarm, a.message, a.since_ms, a.state, a.priority, a.note from alarms a
        join gateways g on g.key = a.gateway where a.device_id = ${device}
        order by a.since_ms desc limit 100`.execute(this.#database.read),
    );
    return rows.map(({ gateway, point, alarm, message, since_ms, state, priority, note }) => ({
      gateway,
      device,
      point: point === '' ? null : point,
      alarm,
      message,
      sinceMs: since_ms,
      ...{ state, priority, note },
    }));
  }
}

function gatewayView(row: GatewayRow): GatewayView {
  return {
    id: row.id,
    name: row.name,
    site: row.site,
    version: row.version,
    online: row.connected,
    lastSeenMs: row.last_seen_ms,
    enrolledAtMs: row.enrolled_at_ms,
    devices: row.devices,
    devicesOnline: row.devices_online,
    frames: row.frames,
    samples: row.samples,
    gaps: row.gaps,
  };
}

function deviceView(row: DeviceRow): DeviceView {
  const isCutOff = !row.connected;
  return {
    id: row.id,
    name: row.name,
    type: row.type,
    driver: row.driver,
    gateway: row.gateway,
    site: row.site,
    online: row.online && row.connected,
    why: isCutOff ? 'its gateway is not connected to the region' : row.why,
    sinceMs: isCutOff ? Math.max(row.since_ms, row.last_seen_ms ?? 0) : row.since_ms,
    lastValueMs: row.last_value_ms,
    alarmsActive: row.alarms,
  };
}

function storedValue(row: PointRow): JsonValue {
  if (row.last_text !== null) return row.last_text;
  return row.kind === 'bool' && row.last !== null ? row.last !== 0 : row.last;
}
