import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Clock,
  delay,
  type Lifecycle,
  type Logger,
  stopAll,
  UnavailableError,
} from '@millwright/protocol';
import { createHost, type Host, loadOrCreateIdentity, writePrivateFile } from '@millwright/protocol/node';
import manifest from '../package.json' with { type: 'json' };
import { createApp } from './api/app.ts';
import { signInUrl } from './api/handlers/session.ts';
import { Access } from './auth/access.ts';
import { EnrolmentTokens } from './auth/enrolment-tokens.ts';
import { newSecret } from './auth/secret.ts';
import { CommandDesk } from './commands/command-desk.ts';
import type { RegionConfig } from './config.ts';
import { EventFeed } from './events/event-feed.ts';
import { EventStreams } from './events/event-streams.ts';
import { HistoryReader } from './history/history-reader.ts';
import { HttpServer, listenError } from './http-server.ts';
import { Directory } from './ingest/directory.ts';
import { PostgresIngestStore } from './ingest/postgres-store.ts';
import { InventoryReader } from './inventory/inventory-reader.ts';
import { JournalReader } from './inventory/journal-reader.ts';
import { LiveValues } from './live/live-values.ts';
import { regionMetrics } from './metrics.ts';
import { EmbeddedPostgres } from './postgres/embedded-postgres.ts';
import { Database } from './store/database.ts';
import { Overview } from './summary/overview.ts';
import { Rates } from './summary/rates.ts';
import { SummaryWriter } from './summary/region-summary.ts';
import { SummaryPush } from './summary/summary-push.ts';
import { UplinkServer } from './uplink/server.ts';

const API_TOKEN_FILE = 'api-token';
const CONSOLE = fileURLToPath(new URL('../console/dist', import.meta.url));
const DATABASE_WITHIN_MS = 30_000;
const DATABASE_RETRY_MS = 500;

export interface RegionDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Where a running region is found. */
export interface RegionReady {
  readonly http: string;
  /** Multiaddr with the region's PeerId. */
  readonly uplinkAddress: string;
  readonly apiTokenFile: string;
  /** Signs one browser in, once, within 15 minutes. */
  readonly signInUrl: string;
  /** The database server this region owns; absent when `database.url` names another. */
  readonly postgresPid?: number;
}

/** A region: all parts made and wired, started in order and stopped in reverse. */
export class Region implements Lifecycle {
  readonly #deps: RegionDeps;
  readonly #config: RegionConfig;
  readonly #state: string;
  #running: Lifecycle[] = [];
  #postgres: EmbeddedPostgres | undefined;
  #ready: Omit<RegionReady, 'postgresPid'> | undefined;
  #onChanged: () => void = () => undefined;

  constructor(deps: RegionDeps, config: RegionConfig, options: { readonly state: string }) {
    this.#deps = deps;
    this.#config = config;
    this.#state = options.state;
  }

  get ready(): RegionReady {
    if (this.#ready === undefined) {
      throw new UnavailableError('REGION_NOT_STARTED', 'the region has not been started', { retry: 'never' });
    }
    const postgresPid = this.#postgres?.pid;
    return { ...this.#ready, ...(postgresPid === undefined ? {} : { postgresPid }) };
  }

  /** Called when `ready` reads differently: the database server was started again. */
  onChanged(listener: () => void): void {
    this.#onChanged = listener;
  }

  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.#running.length > 0) return;
    try {
      await this.#start(options.signal ?? new AbortController().signal);
    } catch (error) {
      await this.stop().catch(() => undefined);
      throw error;
    }
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = [];
    this.#ready = undefined;
    await stopAll(running);
    this.#postgres = undefined;
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    const { region, http, uplink, share, silentAfter } = this.#config;
    // Open to pass through: the user of the database server has to get to its folder in here.
    await mkdir(this.#state, { recursive: true });

    const database = await this.#openDatabase(signal);
    const directory = new Directory();
    const live = new LiveValues({ clock, logger: logger.child({ part: 'live' }), directory });
    const feed = new EventFeed({ values: live });
    const store = new PostgresIngestStore({ clock, database, directory, listener: feed });
    await store.disconnectAll();
    const access = new Access({ clock, database });
    await this.#begin(access, signal);
    const apiTokenFile = await this.#apiToken(access);

    const identity = await loadOrCreateIdentity(this.#state);
    const host = createHost({
      identity,
      listen: [multiaddrOf(uplink.host, uplink.port)],
      clock,
      logger: logger.child({ part: 'transport' }),
    });
    const server = new UplinkServer({
      host,
      store,
      live,
      region,
      clock,
      logger: logger.child({ part: 'uplink' }),
    });

    const inventory = new InventoryReader({ database, live });
    const rates = new Rates({ clock, count: () => ({ stored: store.stats.samples, live: live.head }) });
    const streams = new EventStreams({ clock, logger: logger.child({ part: 'events' }), feed });
    const listener = new HttpServer(
      { fetch: (request, bindings) => app.fetch(request, bindings) },
      { host: http.host, port: http.port },
    );
    await this.#begin(listener, signal);
    const local = `http://${forUrl(http.host)}:${listener.port}`;
    const served = {
      region,
      version: manifest.version,
      publicUrl: http.publicUrl ?? local,
      hosts: http.hosts,
      consoleDirectory: CONSOLE,
    };
    const app = createApp(
      {
        clock,
        logger: logger.child({ part: 'api' }),
        database,
        access,
        enrolment: new EnrolmentTokens({ clock, database, regionPeer: identity.peerId }),
        commands: new CommandDesk({
          clock,
          logger: logger.child({ part: 'commands' }),
          database,
          inventory,
          sender: server,
        }),
        streams,
        history: new HistoryReader({ clock, database, live }),
        inventory,
        journals: new JournalReader({ database }),
        overview: new Overview(
          { clock, database, live, rates, listeners: () => streams.count },
          { region, silentAfterMs: silentAfter },
        ),
        metrics: regionMetrics({ region, store, live, streams }),
      },
      served,
    );
    await this.#begin(rates, signal);
    await this.#begin(streams, signal);
    await this.#listenForGateways(host, server, signal);
    if (this.#config.cloud !== undefined) {
      const summary = new SummaryWriter(
        { clock, database, inventory },
        { region, version: manifest.version, share },
      );
      const config = { ...this.#config.cloud, region };
      await this.#begin(
        new SummaryPush({ clock, logger: logger.child({ part: 'summary' }), summary }, config),
        signal,
      );
    }
    const { code } = await access.newCode();
    this.#ready = {
      http: local,
      uplinkAddress: host.addresses()[0] ?? '',
      apiTokenFile,
      signInUrl: signInUrl(served, code),
    };
  }

  async #begin(part: Lifecycle, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#running.push(part);
    await part.start({ signal });
  }

  async #openDatabase(signal: AbortSignal): Promise<Database> {
    const { clock, logger } = this.#deps;
    let { url } = this.#config.database;
    if (url === undefined) {
      const postgres = new EmbeddedPostgres(
        { state: this.#state, database: 'millwright' },
        { clock, logger: logger.child({ part: 'postgres' }) },
      );
      this.#postgres = postgres;
      await this.#begin(postgres, signal);
      postgres.onRestarted(() => this.#onChanged());
      url = postgres.url;
    }
    const database = new Database({ url }, { logger: logger.child({ part: 'database' }) });
    this.#running.push(database);
    const deadline = clock.monotonicMs() + DATABASE_WITHIN_MS;
    for (;;) {
      try {
        await database.start({ signal });
        return database;
      } catch (error) {
        const isAway = error instanceof UnavailableError && error.retry === 'backoff';
        if (!isAway || clock.monotonicMs() > deadline) throw error;
        await delay(clock, DATABASE_RETRY_MS, { signal });
      }
    }
  }

  /** The token in the file is the one that counts, whoever wrote it there; the first start makes one. */
  async #apiToken(access: Access): Promise<string> {
    const file = join(this.#state, API_TOKEN_FILE);
    const kept = (await readFile(file, 'utf8').catch(() => '')).trim();
    const token = kept === '' ? newSecret() : kept;
    if (kept === '') await writePrivateFile(file, `${token}\n`);
    await access.setToken('api-token', 'engineer', token);
    return file;
  }

  async #listenForGateways(host: Host, server: UplinkServer, signal: AbortSignal): Promise<void> {
    const { uplink } = this.#config;
    await this.#begin(
      {
        start: async () => {
          await server.start({ signal });
          await host.start({ signal }).catch((error: unknown) => {
            throw listenError('uplink', uplink.host, uplink.port, error);
          });
        },
        // What was received is stored and acknowledged while the gateways can still be told.
        stop: async () => {
          await server.stop();
          await host.stop();
        },
      },
      signal,
    );
  }
}

function multiaddrOf(host: string, port: number): string {
  const kind = host.includes(':') ? 'ip6' : /^\d+\.\d+\.\d+\.\d+$/.test(host) ? 'ip4' : 'dns4';
  return `/${kind}/${host}/tcp/${port}`;
}

/** A wildcard is no address to call; this machine can always use its own. */
function forUrl(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
