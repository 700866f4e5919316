import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Clock, delay, type Lifecycle, type Logger, UnavailableError } from '@millwright/protocol';
import pg from 'pg';
import { embeddedBinaries, majorVersion, type PostgresBinaries, program } from './binaries.ts';
import { OwnerLock } from './owner-lock.ts';
import { choosePlace } from './place.ts';
import { endLeftover, readPostmasterFile } from './postmaster.ts';
import { ServerLog } from './server-log.ts';
import { type ServerUser, serverUser } from './server-user.ts';
import {
  chooseEndpoint,
  connectionUrl,
  dataDirectory,
  type Endpoint,
  initArguments,
  SOCKET_PORT,
  serverArguments,
} from './settings.ts';

const run = promisify(execFile);
const USER = 'millwright';
const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_S = 30;
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 10_000;
/** A server that lived this long did not fail at its start: the next retry is quick again. */
const HEALTHY_AFTER_MS = 30_000;

export interface EmbeddedPostgresOptions {
  /** Folder of the controller; the server's files go to `postgres` in it. */
  readonly state: string;
  /** Created when missing. */
  readonly database: string;
  /** Default: the server that npm installed. */
  readonly binaries?: PostgresBinaries;
  /** Listens on the loopback although a socket would do. */
  readonly tcp?: boolean;
  /** Quick instead of durable: for tests. */
  readonly scratch?: boolean;
}

/**
 * A PostgreSQL server of our own: made at the first start, restarted when it dies, stopped with us.
 * One that outlived a killed controller is stopped in good order before the next start.
 */
export class EmbeddedPostgres implements Lifecycle {
  readonly #options: EmbeddedPostgresOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #listeners = new Set<(pid: number) => void>();
  #stopping = new AbortController();
  #server: Server | undefined;
  #lock: OwnerLock | undefined;
  #child: ChildProcess | undefined;
  #restarting: Promise<void> = Promise.resolve();

  constructor(options: EmbeddedPostgresOptions, deps: { readonly clock: Clock; readonly logger: Logger }) {
    this.#options = options;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
  }

  /** Connection URI with its password; known after `start`, unchanged by restarts of the server. */
  get url(): string {
    return this.#known().url;
  }

  /** The running postmaster; undefined while it is down. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Called with the new pid after the server died and was started again. @returns unsubscribe */
  onRestarted(listener: (pid: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * @throws UnavailableError `STATE_IN_USE`, `POSTGRES_MISSING`, `POSTGRES_VERSION` (data of another major version),
   *   `POSTGRES_START` with the server's own last words
   */
  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.#lock !== undefined) return;
    this.#stopping = new AbortController();
    const { state, database } = this.#options;
    const user = await serverUser(this.#logger);
    const { directory, binaries } = await choosePlace({
      state,
      user,
      binaries: this.#options.binaries ?? embeddedBinaries(),
      logger: this.#logger,
    });
    const lock = new OwnerLock(join(directory, 'owner.pid'));
    await lock.take();
    this.#lock = lock;
    try {
      const password = await this.#password(directory);
      const version = await majorVersion(binaries);
      const endpoint = await chooseEndpoint(directory, this.#options.tcp ?? false);
      const url = connectionUrl(endpoint, { user: USER, password }, database);
      const scratch = this.#options.scratch ?? false;
      const server: Server = { directory, binaries, user, majorVersion: version, endpoint, url, scratch };
      await this.#initialise(server, password);
      const left = await this.#endLeftover(server);
      if (left !== undefined)
        this.#logger.info({ serverPid: left }, 'stopped the server that an earlier run left');
      await this.#launch(server, options);
      await createDatabase(connectionUrl(endpoint, { user: USER, password }, 'postgres'), database);
      this.#server = server;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopped'));
    await this.#restarting.catch(() => undefined);
    const child = this.#child;
    this.#child = undefined;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (this.#server !== undefined) await this.#stopServer(this.#server);
      // Too young to be known by its pid file.
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGINT');
      await ended;
    }
    this.#server = undefined;
    await this.#lock?.release();
    this.#lock = undefined;
  }

  #known(): Server {
    if (this.#server !== undefined) return this.#server;
    throw new UnavailableError('POSTGRES_NOT_STARTED', 'the database server has not been started', {
      retry: 'never',
    });
  }

  async #password(directory: string): Promise<string> {
    const file = join(directory, 'password');
    const kept = await readFile(file, 'utf8').catch(() => undefined);
    if (kept !== undefined) return kept.trim();
    const fresh = randomBytes(24).toString('base64url');
    await writeFile(`${file}.new`, fresh, { mode: 0o600 });
    await rename(`${file}.new`, file);
    return fresh;
  }

  /** Makes the cluster beside its place and moves it there whole: a kill in between leaves nothing half made. */
  async #initialise(server: Server, password: string): Promise<void> {
    const { directory, binaries, user, majorVersion: version } = server;
    const data = dataDirectory(directory);
    const made = await readFile(join(data, 'PG_VERSION'), 'utf8').catch(() => undefined);
    if (made !== undefined) {
      if (Number.parseInt(made, 10) === version) return;
      throw new UnavailableError(
        'POSTGRES_VERSION',
        `${data} was made by PostgreSQL ${made.trim()}, but this is PostgreSQL ${version}`,
        { retry: 'never', hint: 'dump it with the old version and restore it with the new one' },
      );
    }
    const fresh = join(directory, 'data.new');
    const passwordFile = join(directory, 'password.init');
    await rm(fresh, { recursive: true, force: true });
    await mkdir(fresh, { mode: 0o700 });
    await writeFile(passwordFile, password, { mode: 0o600 });
    if (user !== undefined) {
      for (const path of [fresh, passwordFile]) await chown(path, user.uid, user.gid);
    }
    try {
      await run(
        program(binaries, 'initdb'),
        initArguments(fresh, { user: USER, passwordFile }, server),
        spawnOptions(directory, user),
      );
    } catch (cause) {
      const words = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : String(cause);
      throw new UnavailableError('POSTGRES_INIT', `cannot make a database in ${directory}: ${words}`, {
        retry: 'never',
        cause,
      });
    } finally {
      await rm(passwordFile, { force: true });
    }
    await rename(fresh, data);
    this.#logger.info({ directory: data }, `made a database of PostgreSQL ${version}`);
  }

  async #launch(server: Server, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const data = dataDirectory(server.directory);
    const log = new ServerLog(this.#logger);
    // A group of its own: Ctrl-C in a terminal must reach us alone, who then stop the server in order.
    const child = spawn(
      program(server.binaries, 'postgres'),
      serverArguments(data, server.endpoint, server),
      { ...spawnOptions(server.directory, server.user), detached: true, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    child.stderr?.setEncoding('utf8').on('data', (text: string) => log.add(text));
    const failed = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(`ended with ${signal ?? `code ${code}`}`));
    });
    let fault: string | undefined;
    void failed.then((text) => {
      fault = text;
    });
    this.#child = child;
    const startedAtMs = this.#clock.monotonicMs();
    for (;;) {
      const file = await readPostmasterFile(data);
      if (file?.ready === true && file.pid === child.pid) break;
      if (fault === undefined && this.#clock.monotonicMs() - startedAtMs > READY_WITHIN_MS) {
        fault = `not ready after ${READY_WITHIN_MS / 1000} s`;
      }
      if (fault !== undefined) {
        child.kill('SIGKILL');
        this.#child = undefined;
        throw new UnavailableError('POSTGRES_START', `PostgreSQL did not start: ${fault}. ${log.last()}`);
      }
      await delay(this.#clock, 20, options);
    }
    void failed.then((text) => this.#died(child, server, text, startedAtMs));
  }

  #died(child: ChildProcess, server: Server, how: string, startedAtMs: number): void {
    if (this.#child !== child || this.#stopping.signal.aborted) return;
    this.#child = undefined;
    this.#logger.error({ serverPid: child.pid }, `the database server ${how}; starting it again`);
    const wasHealthy = this.#clock.monotonicMs() - startedAtMs > HEALTHY_AFTER_MS;
    this.#restarting = this.#restart(server, wasHealthy ? 0 : FIRST_RETRY_MS);
  }

  async #restart(server: Server, firstWaitMs: number): Promise<void> {
    const { signal } = this.#stopping;
    for (let waitMs = firstWaitMs; !signal.aborted; ) {
      try {
        await delay(this.#clock, waitMs * (0.5 + Math.random() / 2), { signal });
        await this.#endLeftover(server);
        await this.#launch(server, { signal });
      } catch (error) {
        if (signal.aborted) return;
        waitMs = Math.min(Math.max(2 * waitMs, FIRST_RETRY_MS), MAX_RETRY_MS);
        this.#logger.error({ err: error }, 'the database server cannot be started; trying again');
        continue;
      }
      const pid = this.pid;
      if (pid === undefined) continue;
      this.#logger.info({ serverPid: pid }, 'the database server is up again');
      for (const listener of this.#listeners) listener(pid);
      return;
    }
  }

  #endLeftover(server: Server): Promise<number | undefined> {
    const socket = join(server.directory, `.s.PGSQL.${SOCKET_PORT}`);
    return endLeftover(dataDirectory(server.directory), socket, this.#clock, () => this.#stopServer(server));
  }

  /** Ends sessions and writes a checkpoint; a server that cannot do that in time is ended so that it recovers at its start. */
  async #stopServer(server: Server): Promise<void> {
    const data = dataDirectory(server.directory);
    const stop = (mode: string) =>
      run(
        program(server.binaries, 'pg_ctl'),
        ['stop', '-D', data, '-m', mode, '-w', '-t', String(STOP_WITHIN_S)],
        spawnOptions(server.directory, server.user),
      );
    try {
      await stop('fast');
    } catch (error) {
      if ((await readPostmasterFile(data)) === undefined) return;
      this.#logger.warn({ err: error }, 'the database server did not stop in order; ending it');
      await stop('immediate');
    }
  }
}

interface Server {
  readonly directory: string;
  readonly binaries: PostgresBinaries;
  readonly user: ServerUser | undefined;
  readonly majorVersion: number;
  readonly scratch: boolean;
  readonly endpoint: Endpoint;
  readonly url: string;
}

/** Messages in English whatever the machine speaks. Windows programs need their usual variables, others none. */
function spawnOptions(directory: string, user: ServerUser | undefined) {
  return {
    cwd: directory,
    ...(user ?? {}),
    ...(process.platform === 'win32' ? {} : { env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' } }),
  };
}

async function createDatabase(maintenanceUrl: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: maintenanceUrl });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (rowCount === 0) await client.query(`create database ${pg.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}
