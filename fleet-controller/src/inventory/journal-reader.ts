import type { DeviceId, GatewayId, JsonValue } from '@millwright/protocol';
import { sql } from 'kysely';
import type { AlarmView, EventView, GapView } from '../api/schemas.ts';
import type { Database } from '../store/database.ts';
import { onDatabase } from '../store/errors.ts';
import { formatCursor, pageOf, parseCursor } from './cursor.ts';
import type { Page } from './inventory-reader.ts';

interface Range {
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly gateway?: GatewayId | undefined;
}
export type GapsAsked = Page & Range;
export type EventsAsked = Page &
  Range & {
    readonly device?: DeviceId | undefined;
    /** A type, or its part before the dot. */
    readonly type?: string | undefined;
  };

interface Placed {
  readonly at: number;
  readonly key: number;
  readonly epoch: number;
  readonly seq: number;
}

const START: readonly [number, number, number, number] = [Number.MAX_SAFE_INTEGER, 0, 0, 0];

/** Gaps, events and alarms, newest first. */
export class JournalReader {
  readonly #database: Database;

  constructor(deps: { readonly database: Database }) {
    this.#database = deps.database;
  }

  async gaps(asked: GapsAsked): Promise<{ items: GapView[]; next: string | null }> {
    const [at, key, epoch, seq] = asked.cursor === undefined ? START : parseCursor(asked.cursor);
    const { rows } = await onDatabase(() =>
      sql<
        Placed & {
          gateway: GatewayId;
          reason: string;
          from_ms: number;
          samples: number | null;
          detail: string | null;
        }
      >`
        select x.to_ms as at, x.gateway as key, x.epoch, x.seq, g.id as gateway, x.reason, x.from_ms, x.samples, x.detail
        from gaps x join gateways g on g.key = x.gateway
        where (x.to_ms, x.gateway, x.epoch, x.seq) < (${at}::int8, ${key}::int4, ${epoch}::int8, ${seq}::int8)
          and (${asked.from ?? null}::int8 is null or x.to_ms >= ${asked.from ?? null}::int8)
          and (${asked.to ?? null}::int8 is null or x.from_ms <= ${asked.to ?? null}::int8)
          and (${asked.gateway ?? null}::text is null or g.id = ${asked.gateway ?? null})
        order by x.to_ms desc, x.gateway desc, x.epoch desc, x.seq desc limit ${asked.limit + 1}`.execute(
        this.#database.read,
      ),
    );
    return pageOf(
      rows,
      asked.limit,
      ({ gateway, reason, from_ms, at: toMs, samples, detail }) => {
        return { gateway, reason, fromMs: from_ms, toMs, samples, detail };
      },
      cursorOf,
    );
  }

  async events(asked: EventsAsked): Promise<{ items: EventView[]; next: string | null }> {
    const [at, key, epoch, seq] = asked.cursor === undefined ? START : parseCursor(asked.cursor);
    const { rows } = await onDatabase(() =>
      sql<
        Placed & {
          id: string;
          gateway: GatewayId;
          type: string;
          device: DeviceId | null;
          point: string | null;
          message: string;
          data: Record<string, JsonValue> | null;
        }
      >`
        select e.at_ms as at, e.gateway as key, e.epoch, e.seq, e.id, g.id as gateway, e.type, e.device_id as device,
          e.point, e.message, e.data
        from events e join gateways g on g.key = e.gateway
        where (e.at_ms, e.gateway, e.epoch, e.seq) < (${at}::int8, ${key}::int4, ${epoch}::int8, ${seq}::int8)
          and (${asked.from ?? null}::int8 is null or e.at_ms >= ${asked.from ?? null}::int8)
          and (${asked.to ?? null}::int8 is null or e.at_ms <= ${asked.to ?? null}::int8)
          and (${asked.gateway ?? null}::text is null or g.id = ${asked.gateway ?? null})
          and (${asked.device ?? null}::text is null or e.device_id = ${asked.device ?? null})
          and (${asked.type ?? null}::text is null or e.type = ${asked.type ?? null}
            or split_part(e.type, '.', 1) = ${asked.type ?? null})
        order by e.at_ms desc, e.gateway desc, e.epoch desc, e.seq desc limit ${asked.limit + 1}`.execute(
        this.#database.read,
      ),
    );
    return pageOf(
      rows,
      asked.limit,
      ({ id, gateway, at: atMs, type, device, point, message, data }) => {
        return { id, gateway, atMs, type, device, point, message, data: data ?? {} };
      },
      cursorOf,
    );
  }

  /** Those people are told of; with `state: 'all'` also those that are kept from them. */
  async alarms(
    page: Page & { readonly state?: 'all' | undefined },
  ): Promise<{ items: AlarmView[]; next: string | null }> {
    const after = page.cursor === undefined ? 0 : parseCursor(page.cursor)[0];
    const { rows } = await onDatabase(() =>
      sql<{
        gateway: GatewayId;
        device: string;
        point: string;
        alarm: string;
        message: string;
        since_ms: number;
        state: string;
        priority: string | null;
        note: string | null;
      }>`
        select g.id as gateway, a.device_id as device, a.point, a.alarm, a.message, a.since_ms, a.state, a.priority, a.note
        from alarms a join gateways g on g.key = a.gateway
        where ${page.state === 'all'} or a.state in ('unacknowledged', 'acknowledged', 'returned')
        order by a.since_ms desc, a.gateway, a.device_id, a.point, a.alarm
        limit ${page.limit + 1} offset ${after}`.execute(this.#database.read),
    );
    return pageOf(
      rows,
      page.limit,
      ({ gateway, device, point, alarm, message, since_ms, state, priority, note }): AlarmView => ({
        gateway,
        device: device === '' ? null : (device as DeviceId),
        point: point === '' ? null : point,
        alarm,
        message,
        sinceMs: since_ms,
        ...{ state, priority, note },
      }),
      () => formatCursor([after + page.limit, 0, 0, 0]),
    );
  }
}

function cursorOf({ at, key, epoch, seq }: Placed): string {
  return formatCursor([at, key, epoch, seq]);
}
