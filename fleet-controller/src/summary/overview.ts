import type { Clock, DeviceId, RegionId } from '@millwright/protocol';
import { sql } from 'kysely';
import type { Summary } from '../api/schemas.ts';
import type { LiveValues } from '../live/live-values.ts';
import type { Database } from '../store/database.ts';
import { onDatabase } from '../store/errors.ts';
import type { Rates } from './rates.ts';

const DAY_MS = 86_400_000;
const SILENT_SHOWN = 20;

export interface OverviewDeps {
  readonly clock: Clock;
  readonly database: Database;
  readonly live: LiveValues;
  readonly rates: Rates;
  /** How many listen to events. */
  readonly listeners: () => number;
}

export interface OverviewConfig {
  readonly region: RegionId;
  /** A device that is said to be online and sends nothing for so long is called silent. */
  readonly silentAfterMs: number;
}

interface Counts {
  readonly gateways: number;
  readonly devices: number;
  readonly devices_online: number;
  readonly points: number;
  readonly alarms: number;
  readonly gaps: number;
  readonly frames: number;
  readonly samples: number;
}

interface SilentRow {
  readonly device: DeviceId;
  readonly name: string;
  readonly at: number | null;
  readonly total: number;
}

/** The region at a glance. */
export class Overview {
  readonly #deps: OverviewDeps;
  readonly #config: OverviewConfig;

  constructor(deps: OverviewDeps, config: OverviewConfig) {
    this.#deps = deps;
    this.#config = config;
  }

  async read(): Promise<Summary> {
    const { clock, live, rates, listeners } = this.#deps;
    const atMs = clock.wallMs();
    const connected = live.connectedGateways;
    const [counts, silent] = await onDatabase(() =>
      Promise.all([this.#counts(connected, atMs), this.#silent(connected, atMs)]),
    );
    const { stored, live: livePerS } = rates.now();
    return {
      region: this.#config.region,
      atMs,
      gateways: { total: counts.gateways, online: connected.length },
      devices: { total: counts.devices, online: counts.devices_online },
      points: counts.points,
      alarmsActive: counts.alarms,
      silent: silent.map(({ device, name, at }) => ({ device, name, lastValueMs: at })),
      silentTotal: silent[0]?.total ?? 0,
      gapsLast24h: counts.gaps,
      samplesPerS: stored,
      livePerS,
      framesStored: counts.frames,
      samplesStored: counts.samples,
      listeners: listeners(),
    };
  }

  async #counts(connected: readonly string[], nowMs: number): Promise<Counts> {
    const { rows } = await sql<Counts>`
      select
        (select count(*) from gateways)::int as gateways,
        (select coalesce(sum(frames), 0) from gateways)::float8 as frames,
        (select coalesce(sum(samples), 0) from gateways)::float8 as samples,
        count(d.id)::int as devices,
        (count(d.id) filter (where d.online and g.id = any(${connected}::text[])))::int as devices_online,
        (select count(distinct (s.device_id, s.point)) from series s
          join devices sd on sd.id = s.device_id and sd.gone_at_ms is null)::int as points,
        (select count(*) from alarms where state in ('unacknowledged', 'acknowledged'))::int as alarms,
        (select count(*) from gaps where to_ms >= ${nowMs - DAY_MS}::int8)::int as gaps
      from devices d join gateways g on g.key = d.gateway where d.gone_at_ms is null`.execute(
      this.#deps.database.read,
    );
    const [counts] = rows;
    return (
      counts ?? {
        gateways: 0,
        devices: 0,
        devices_online: 0,
        points: 0,
        alarms: 0,
        gaps: 0,
        frames: 0,
        samples: 0,
      }
    );
  }

  async #silent(connected: readonly string[], nowMs: number): Promise<SilentRow[]> {
    const sinceMs = nowMs - this.#config.silentAfterMs;
    const { rows } = await sql<SilentRow>`
      select d.id as device, d.name, d.last_value_ms as at, (count(*) over ())::int as total
      from devices d join gateways g on g.key = d.gateway
      where d.gone_at_ms is null and d.online and g.id = any(${connected}::text[])
        and coalesce(d.last_value_ms, 0) < ${sinceMs}::int8 and d.since_ms < ${sinceMs}::int8
      order by d.last_value_ms nulls first, d.id limit ${SILENT_SHOWN}`.execute(this.#deps.database.read);
    return rows;
  }
}
