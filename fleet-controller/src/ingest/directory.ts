import type { CatalogEntry, DeviceId, GatewayId, PointId, SiteId } from '@millwright/protocol';
import { UnauthorizedError } from '@millwright/protocol';
import type { Kysely } from 'kysely';
import type { Tables } from '../store/tables.ts';

/** What a gateway's point number means to the region. */
export interface SeriesLine extends Omit<CatalogEntry, 'device' | 'no'> {
  /** What roll-ups call it. */
  readonly id: number;
  readonly no: number;
  readonly device: DeviceId;
  readonly point: PointId;
}

export interface GatewayLines {
  readonly key: number;
  readonly id: GatewayId;
  readonly site: SiteId;
  readonly name: string;
  /** By point number. */
  readonly lines: readonly SeriesLine[];
}

const LINE = ['id', 'no', 'device_id', 'point', 'kind', 'unit', 'label', 'class', 'writable'] as const;

/** The catalogues of the gateways in use, so that no value needs a query to be named. */
export class Directory {
  readonly #known = new Map<GatewayId, GatewayLines>();

  /** What is known without asking the database. */
  peek(gateway: GatewayId): GatewayLines | undefined {
    return this.#known.get(gateway);
  }

  /** @throws UnauthorizedError `NOT_ENROLLED` */
  async of(db: Kysely<Tables>, gateway: GatewayId): Promise<GatewayLines> {
    return this.#known.get(gateway) ?? this.reload(db, gateway);
  }

  /** Reads it anew: after a change, or when the database may have been replaced. */
  async reload(db: Kysely<Tables>, gateway: GatewayId): Promise<GatewayLines> {
    const row = await db
      .selectFrom('gateways')
      .select(['key', 'site', 'name'])
      .where('id', '=', gateway)
      .executeTakeFirst();
    if (row === undefined) {
      throw new UnauthorizedError('NOT_ENROLLED', `the gateway ${gateway} is not enrolled here`);
    }
    const rows = await db
      .selectFrom('series')
      .select(LINE)
      .where('gateway', '=', row.key)
      .orderBy('no')
      .execute();
    const known: GatewayLines = {
      key: row.key,
      id: gateway,
      site: row.site as SiteId,
      name: row.name,
      lines: rows.map(seriesLine),
    };
    this.#known.set(gateway, known);
    return known;
  }
}

function seriesLine(row: {
  readonly id: number;
  readonly no: number;
  readonly device_id: string;
  readonly point: string;
  readonly kind: SeriesLine['kind'];
  readonly unit: string | null;
  readonly label: string | null;
  readonly class: NonNullable<SeriesLine['class']> | null;
  readonly writable: { range?: [number, number] } | null;
}): SeriesLine {
  return {
    id: row.id,
    no: row.no,
    device: row.device_id as DeviceId,
    point: row.point as PointId,
    kind: row.kind,
    ...(row.unit === null ? {} : { unit: row.unit }),
    ...(row.label === null ? {} : { label: row.label }),
    ...(row.class === null ? {} : { class: row.class }),
    ...(row.writable === null ? {} : { writable: row.writable }),
  };
}
