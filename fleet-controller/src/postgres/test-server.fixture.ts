import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import pg from 'pg';
import { Database } from '../store/database.ts';
import { installedBinaries, type PostgresBinaries } from './binaries.ts';
import { EmbeddedPostgres } from './embedded-postgres.ts';

const TEMPLATE = 'region_template';

/** A server for the tests of one file, in a folder of its own. */
export class TestServer {
  readonly server: EmbeddedPostgres;
  readonly logger: MemoryLogger;
  readonly #state: string;
  #template: Promise<void> | undefined;
  #databases = 0;

  private constructor(server: EmbeddedPostgres, logger: MemoryLogger, state: string) {
    this.server = server;
    this.logger = logger;
    this.#state = state;
  }

  static async start(binaries?: PostgresBinaries): Promise<TestServer> {
    const state = await temporaryFolder();
    const logger = new MemoryLogger();
    const server = new EmbeddedPostgres(
      { state, database: 'test', scratch: true, ...(binaries === undefined ? {} : { binaries }) },
      { clock: systemClock, logger },
    );
    await server.start();
    return new TestServer(server, logger, state);
  }

  /** @returns the URL of a database that has the region's tables and nothing in them */
  async newDatabase(): Promise<string> {
    this.#template ??= this.#makeTemplate();
    await this.#template;
    this.#databases += 1;
    const name = `test_${this.#databases}`;
    await this.admin(`create database ${name} template ${TEMPLATE}`);
    return this.#urlOf(name);
  }

  async admin(statement: string): Promise<void> {
    const client = new pg.Client({ connectionString: this.server.url });
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  }

  /** The tables are made once and copied: much quicker than making them for every test. */
  async #makeTemplate(): Promise<void> {
    await this.admin(`create database ${TEMPLATE}`);
    const database = new Database({ url: this.#urlOf(TEMPLATE) }, { logger: this.logger });
    await database.start();
    await database.stop();
  }

  #urlOf(database: string): string {
    return this.server.url.replace('/test?', `/${database}?`);
  }

  async stop(): Promise<void> {
    await this.server.stop();
    await rm(this.#state, { recursive: true, force: true });
  }
}

/** Open for the user the server runs as when the tests run as root. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mw-'));
  await chmod(folder, 0o755);
  return folder;
}

const [installed] = installedBinaries();

/** The servers that tests run on; the machine's own only where there is one. */
export const TEST_SERVERS: readonly { readonly name: string; readonly binaries?: PostgresBinaries }[] = [
  { name: 'embedded PostgreSQL' },
  ...(installed === undefined ? [] : [{ name: `PostgreSQL of ${installed.bin}`, binaries: installed }]),
];

if (installed === undefined) {
  console.info('skipped: tests on a PostgreSQL of the system, because /usr/lib/postgresql has none');
}
