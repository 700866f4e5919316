import type { Clock, DeviceId, PointId, RegionId, RegionSummary } from '@millwright/protocol';
import { sql } from 'kysely';
import type { DeviceView, GatewayView, PointView } from '../api/schemas.ts';
import type { InventoryReader, Page } from '../inventory/inventory-reader.ts';
import type { Database } from '../store/database.ts';
import { onDatabase } from '../store/errors.ts';
import type { Shared } from './share.ts';
import { isShared } from './share.ts';

const PAGE = 1000;
const MAX_GATEWAYS = 10_000;
const MAX_DEVICES = 100_000;
const MAX_LATEST = 50_000;
const MAX_POINTS_OF_DEVICE = 1000;
const MAX_ROLLUPS = 20_000;
const ROLLUP_WIDTH_MS = 3_600_000;
/** Frames may come late: so far back, buckets are told again. */
const AGAIN_MS = 2 * ROLLUP_WIDTH_MS;
const FIRST_TIME_MS = 48 * ROLLUP_WIDTH_MS;

export interface SummaryConfig {
  readonly region: RegionId;
  readonly version: string;
  readonly share: Shared;
}

/** What the cloud is told: counts and states, and beyond that only what the region's policy lets out. */
export class SummaryWriter {
  readonly #deps: { readonly clock: Clock; readonly database: Database; readonly inventory: InventoryReader };
  readonly #config: SummaryConfig;
  #rollupsFromMs: number | undefined;

  constructor(
    deps: { readonly clock: Clock; readonly database: Database; readonly inventory: InventoryReader },
    config: SummaryConfig,
  ) {
    this.#deps = deps;
    this.#config = config;
  }

  async write(): Promise<RegionSummary> {
    const { clock, inventory } = this.#deps;
    const { region, version, share } = this.#config;
    const atMs = clock.wallMs();
    const gateways = await all((page) => inventory.gateways(page), MAX_GATEWAYS);
    const devices = await all((page) => inventory.devices(page), MAX_DEVICES);
    const latest = share.latest
      ? await inventory.latestByDevice(MAX_LATEST)
      : new Map<DeviceId, PointView[]>();
    const rollups = await this.#rollups(atMs);
    return {
      region,
      atMs,
      version,
      gateways: gateways.map((gateway) => gatewayNews(gateway, atMs)),
      devices: devices.map((device) => deviceNews(device, latest.get(device.id) ?? [])),
      counts: await this.#counts(gateways),
      rollups,
    };
  }

  /** The summary of `atMs` has arrived: older roll-ups need not be told again. */
  arrived(atMs: number): void {
    this.#rollupsFromMs = atMs - AGAIN_MS;
  }

  async #counts(gateways: readonly GatewayView[]): Promise<RegionSummary['counts']> {
    const { rows } = await onDatabase(() =>
      sql<{ alarms: number; commands: number }>`
        select (select count(*) from alarms where state in ('unacknowledged', 'acknowledged'))::int as alarms, (select count(*) from commands)::int as commands`.execute(
        this.#deps.database.read,
      ),
    );
    const total = (of: (gateway: GatewayView) => number) =>
      gateways.reduce((sum, gateway) => sum + of(gateway), 0);
    return {
      frames: total(({ frames }) => frames),
      samples: total(({ samples }) => samples),
      gaps: total(({ gaps }) => gaps),
      alarmsActive: rows[0]?.alarms ?? 0,
      commands: rows[0]?.commands ?? 0,
    };
  }

  async #rollups(nowMs: number): Promise<RegionSummary['rollups']> {
    const { share } = this.#config;
    if (share.rollups.length === 0) return [];
    const fromMs = this.#rollupsFromMs ?? nowMs - FIRST_TIME_MS;
    const series = await onDatabase(() =>
      this.#deps.database.read.selectFrom('series').select(['id', 'device_id', 'point']).execute(),
    );
    const shared = new Map(
      series
        .filter((row) => isShared(share, row.device_id, row.point))
        .map((row) => [row.id, { device: row.device_id as DeviceId, point: row.point as PointId }]),
    );
    const { rows } = await onDatabase(() =>
      sql<{ series: number; bucket_ms: number; min: number; max: number; sum: number; count: number }>`
        select series, bucket_ms, min, max, sum, count from rollup_1h
        where series = any(${[...shared.keys()]}::int4[]) and count > 0
          and bucket_ms >= ${Math.floor(fromMs / ROLLUP_WIDTH_MS) * ROLLUP_WIDTH_MS}::int8
        order by bucket_ms desc limit ${MAX_ROLLUPS}`.execute(this.#deps.database.read),
    );
    return rows.flatMap(({ series: id, bucket_ms: bucketMs, min, max, sum, count }) => {
      const of = shared.get(id);
      return of === undefined
        ? []
        : [{ ...of, bucketMs, widthMs: ROLLUP_WIDTH_MS, min, max, mean: sum / count, count }];
    });
  }
}

async function all<T>(
  read: (page: Page) => Promise<{ readonly items: readonly T[]; readonly next: string | null }>,
  limit: number,
): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await read({ limit: PAGE, cursor });
    items.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined && items.length < limit);
  return items.slice(0, limit);
}

function gatewayNews(gateway: GatewayView, nowMs: number): RegionSummary['gateways'][number] {
  return {
    id: gateway.id,
    name: gateway.name,
    site: gateway.site,
    online: gateway.online,
    lastSeenMs: gateway.online ? nowMs : (gateway.lastSeenMs ?? gateway.enrolledAtMs),
    version: gateway.version,
    devices: gateway.devices,
    frames: gateway.frames,
    gaps: gateway.gaps,
  };
}

function deviceNews(device: DeviceView, points: readonly PointView[]): RegionSummary['devices'][number] {
  return {
    id: device.id,
    name: device.name,
    ...(device.type === null ? {} : { type: device.type }),
    driver: device.driver,
    gateway: device.gateway,
    site: device.site,
    online: device.online,
    lastSeenMs: device.lastValueMs,
    points: points.slice(0, MAX_POINTS_OF_DEVICE).flatMap(({ id, v, q, unit, tSource }) => {
      if (tSource === null) return [];
      return [{ point: id as PointId, v, q, ...(unit === null ? {} : { unit }), tSource }];
    }),
  };
}
