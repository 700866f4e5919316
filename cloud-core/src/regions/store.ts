import {
  describeError,
  type Lifecycle,
  type Logger,
  type RegionId,
  RegionSummary,
  UnavailableError,
} from '@millwright/protocol';
import postgres from 'postgres';

export interface RegionNews {
  readonly summary: RegionSummary;
  /** When the cloud received it, by the cloud's clock, epoch ms. */
  readonly receivedAtMs: number;
}

/** The last news of each region and the roll-ups it lets out. */
export interface RegionStore extends Lifecycle {
  /** Keeps it durably; older news than what is held is ignored. @returns whether it was kept */
  put(news: RegionNews): Promise<boolean>;
  all(): Promise<RegionNews[]>;
}

const MIN_SERVER_VERSION = 150_000;
/** Roll-ups that regions let out are kept this long. */
const ROLLUP_DAYS = 400;

/** `RegionStore` in PostgreSQL. */
export class PostgresRegionStore implements RegionStore {
  readonly #sql: postgres.Sql;
  readonly #logger: Logger;

  constructor(deps: { readonly logger: Logger }, config: { readonly url: string }) {
    this.#logger = deps.logger;
    this.#sql = postgres(config.url, {
      max: 4,
      connect_timeout: 5,
      backoff: (attempt) => Math.min(0.1 * 2 ** attempt, 5),
      onnotice: (notice) => this.#logger.debug({ notice: notice.message }, 'database notice'),
    });
  }

  async start(): Promise<void> {
    const sql = this.#sql;
    try {
      const [row] = await sql<
        { version: number }[]
      >`select current_setting('server_version_num')::int as version`;
      if ((row?.version ?? 0) < MIN_SERVER_VERSION) {
        throw new UnavailableError('DATABASE_VERSION', `PostgreSQL ${row?.version} is too old`, {
          retry: 'never',
          hint: 'use PostgreSQL 15 or newer',
        });
      }
      await sql`create table if not exists region_news (
        region text primary key,
        at_ms double precision not null,
        received_at_ms double precision not null,
        summary jsonb not null
      )`;
      await sql`create table if not exists region_rollup (
        region text not null, device text not null, point text not null, width_ms double precision not null,
        bucket_ms double precision not null, min double precision not null, max double precision not null,
        mean double precision not null, count bigint not null,
        primary key (region, device, point, width_ms, bucket_ms)
      )`;
    } catch (cause) {
      if (cause instanceof UnavailableError) throw cause;
      throw new UnavailableError(
        'DATABASE_UNREACHABLE',
        `the cloud's database does not answer: ${describeError(cause)}`,
        {
          hint: 'check database.url; "millwright postgres run" serves one',
          cause,
        },
      );
    }
  }

  async stop(): Promise<void> {
    await this.#sql.end({ timeout: 5 });
  }

  async put(news: RegionNews): Promise<boolean> {
    const { rollups, ...rest } = news.summary;
    const { region, atMs } = news.summary;
    return this.#sql.begin(async (sql) => {
      const kept = await sql`
        insert into region_news (region, at_ms, received_at_ms, summary)
        values (${region}, ${atMs}, ${news.receivedAtMs}, ${sql.json({ ...rest, rollups: [] })})
        on conflict (region) do update
          set at_ms = excluded.at_ms, received_at_ms = excluded.received_at_ms, summary = excluded.summary
          where region_news.at_ms <= excluded.at_ms`;
      if (rollups.length > 0) {
        const column = <T>(pick: (row: (typeof rollups)[number]) => T) => rollups.map(pick);
        await sql`
          insert into region_rollup (region, device, point, width_ms, bucket_ms, min, max, mean, count)
          select ${region}, * from unnest(
            ${column((r) => r.device as string)}::text[], ${column((r) => r.point as string)}::text[],
            ${column((r) => r.widthMs)}::float8[], ${column((r) => r.bucketMs)}::float8[],
            ${column((r) => r.min)}::float8[], ${column((r) => r.max)}::float8[],
            ${column((r) => r.mean)}::float8[], ${column((r) => r.count)}::int8[])
          on conflict (region, device, point, width_ms, bucket_ms) do update
            set min = excluded.min, max = excluded.max, mean = excluded.mean, count = excluded.count`;
        await sql`delete from region_rollup where bucket_ms < ${atMs - ROLLUP_DAYS * 86_400_000}`;
      }
      return kept.count > 0;
    });
  }

  async all(): Promise<RegionNews[]> {
    const rows = await this.#sql<{ received_at_ms: number; summary: unknown }[]>`
      select received_at_ms, summary from region_news order by region`;
    return rows.map((row) => ({
      summary: RegionSummary.parse(row.summary),
      receivedAtMs: row.received_at_ms,
    }));
  }
}

/** `RegionStore` in memory: the twin for tests. */
export class MemoryRegionStore implements RegionStore {
  readonly #news = new Map<RegionId, RegionNews>();

  async start(): Promise<void> {
    // Nothing to open.
  }

  async stop(): Promise<void> {
    // Nothing to close.
  }

  async put(news: RegionNews): Promise<boolean> {
    const held = this.#news.get(news.summary.region);
    if (held !== undefined && held.summary.atMs > news.summary.atMs) return false;
    this.#news.set(news.summary.region, { ...news, summary: { ...news.summary, rollups: [] } });
    return true;
  }

  async all(): Promise<RegionNews[]> {
    return [...this.#news.values()].toSorted((a, b) => a.summary.region.localeCompare(b.summary.region));
  }
}
