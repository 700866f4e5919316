import { InvalidInputError, type Lifecycle, type Logger, UnavailableError } from '@millwright/protocol';
import { Kysely, PostgresDialect, sql, type Transaction } from 'kysely';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import { databaseError, onDatabase } from './errors.ts';
import { migrationProvider } from './migrations.ts';
import type { Tables } from './tables.ts';

const OLDEST_VERSION = 150_000;
const CONNECT_WITHIN_MS = 5_000;
const INGEST_CONNECTIONS = 8;
const READ_CONNECTIONS = 8;
/** A question of the API that takes longer is given up, so that it cannot starve the others. */
const READ_WITHIN_MS = 15_000;
const INT8 = 20;

export interface DatabaseOptions {
  readonly url: string;
  /** Connections for what gateways send, and as many for what people ask. */
  readonly connections?: number;
}

/** The region's database: two pools, so that slow questions never hold up what gateways send. */
export class Database implements Lifecycle {
  readonly #options: DatabaseOptions;
  readonly #logger: Logger;
  #write: Kysely<Tables> | undefined;
  #read: Kysely<Tables> | undefined;

  constructor(options: DatabaseOptions, deps: { readonly logger: Logger }) {
    this.#options = options;
    this.#logger = deps.logger;
  }

  /** For reading; answers within 15 s or fails. */
  get read(): Kysely<Tables> {
    return started(this.#read);
  }

  /** For what must be durable. */
  get write(): Kysely<Tables> {
    return started(this.#write);
  }

  /**
   * Connects and brings the tables up to date.
   * @throws InvalidInputError `DATABASE_VERSION`, `DATABASE_URL`, `DATABASE_REFUSED`; UnavailableError `DATABASE_AWAY`
   */
  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.#write !== undefined) return;
    this.#write = this.#pool('ingest', this.#options.connections ?? INGEST_CONNECTIONS, 0);
    this.#read = this.#pool('api', this.#options.connections ?? READ_CONNECTIONS, READ_WITHIN_MS);
    try {
      await this.#checkVersion(this.#write);
      options.signal?.throwIfAborted();
      await this.#migrate(this.#write);
    } catch (error) {
      await this.stop();
      throw connectError(error);
    }
  }

  async stop(): Promise<void> {
    const pools = [this.#write, this.#read];
    this.#write = undefined;
    this.#read = undefined;
    await Promise.all(pools.map((pool) => pool?.destroy()));
  }

  /** Runs `work` in one transaction. @throws UnavailableError when the connection was lost: nothing was kept, or `work` may be repeated */
  transaction<T>(work: (trx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return onDatabase(() => this.write.transaction().execute(work));
  }

  async isUp(): Promise<boolean> {
    try {
      await sql`select 1`.execute(this.read);
      return true;
    } catch {
      return false;
    }
  }

  #pool(name: string, max: number, withinMs: number): Kysely<Tables> {
    const pool = new pg.Pool({
      connectionString: this.#options.url,
      application_name: `millwright ${name}`,
      max,
      connectionTimeoutMillis: CONNECT_WITHIN_MS,
      idleTimeoutMillis: 60_000,
      keepAlive: true,
      ...(withinMs > 0 ? { statement_timeout: withinMs } : {}),
      types: { getTypeParser },
    });
    // A query that meets a broken connection throws; the connection is replaced at the next one. These only keep the
    // process from ending: the pool listens to idle connections, nobody to those in use.
    const note = (error: Error) => this.#logger.debug({ err: error }, 'a database connection ended');
    pool.on('error', note);
    pool.on('connect', (client) => client.on('error', note));
    return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  }

  async #checkVersion(db: Kysely<Tables>): Promise<void> {
    const { rows } = await sql<{ version: string }>`
      select current_setting('server_version_num') as version`.execute(db);
    const version = Number(rows[0]?.version);
    if (version >= OLDEST_VERSION) return;
    throw new InvalidInputError(
      'DATABASE_VERSION',
      `database.url is PostgreSQL ${Math.floor(version / 10_000)}; 15 or newer is needed`,
      { hint: 'upgrade the server, or leave database.url out to use the built-in one' },
    );
  }

  async #migrate(db: Kysely<Tables>): Promise<void> {
    const { error, results } = await new Migrator({ db, provider: migrationProvider }).migrateToLatest();
    for (const result of results ?? []) {
      if (result.status === 'Success') this.#logger.info(`database: ${result.migrationName}`);
    }
    if (error !== undefined) throw error;
  }
}

/** `bigint` columns hold counts and epoch milliseconds: far below 2^53. */
function getTypeParser(...[oid, format]: Parameters<typeof pg.types.getTypeParser>) {
  return oid === INT8 && format !== 'binary' ? Number : pg.types.getTypeParser(oid, format);
}

function started(pool: Kysely<Tables> | undefined): Kysely<Tables> {
  if (pool !== undefined) return pool;
  throw new UnavailableError('DATABASE_AWAY', 'the database is not connected', { retry: 'backoff' });
}

function connectError(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (/^(28|3D000|42501)/.test(code)) {
    return new InvalidInputError('DATABASE_REFUSED', `database.url: ${(error as Error).message}`, {
      hint: 'check user, password, database name and rights',
      cause: error,
    });
  }
  if (code === 'ERR_INVALID_URL') {
    return new InvalidInputError('DATABASE_URL', 'database.url is not a PostgreSQL connection URL', {
      hint: 'write it like "postgresql://user:password@host:5432/name"',
      cause: error,
    });
  }
  return databaseError(error);
}
