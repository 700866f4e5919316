import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import {
  type Clock,
  describeError,
  type Lifecycle,
  type Logger,
  startAll,
  stopAll,
  UnavailableError,
} from '@millwright/protocol';
import { Vault } from '@millwright/vault-sync';
import { createApp } from './api/app.ts';
import type { CloudConfig } from './config.ts';
import { PostgresRegionStore, type RegionStore } from './regions/store.ts';
import { VaultWriter } from './vault-writer.ts';

interface CloudDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly token: string;
  /** File that remembers which notes were written. */
  readonly memoryFile: string;
  /** Default: PostgreSQL at `config.database.url`. */
  readonly store?: RegionStore;
}

/** The cloud process: keeps what regions tell, shows it merged, writes it into the vault. */
export class Cloud implements Lifecycle {
  readonly #config: CloudConfig;
  readonly #deps: CloudDeps;
  readonly #store: RegionStore;
  readonly #writer: VaultWriter | undefined;
  #server: Server | undefined;

  constructor(deps: CloudDeps, config: CloudConfig) {
    this.#config = config;
    this.#deps = deps;
    const { clock, logger } = deps;
    this.#store = deps.store ?? new PostgresRegionStore({ logger }, config.database);
    if (config.vault !== undefined) {
      const vault = new Vault({ logger }, { directory: config.vault.directory, memoryFile: deps.memoryFile });
      this.#writer = new VaultWriter(
        { clock, logger, store: this.#store, vault },
        { everyMs: config.vault.every },
      );
    }
  }

  /** Base URL once started. */
  get url(): string {
    const address = this.#server?.address() as AddressInfo | null | undefined;
    return `http://${this.#config.http.host}:${address?.port ?? this.#config.http.port}`;
  }

  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    await startAll([this.#store, ...(this.#writer === undefined ? [] : [this.#writer])]);
    const { clock, logger, token } = this.#deps;
    const app = createApp(
      { clock, logger, store: this.#store, onNews: () => this.#writer?.noteNews() },
      { token },
    );
    this.#server = await listen(app.fetch, this.#config.http);
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    }
    await stopAll([this.#store, ...(this.#writer === undefined ? [] : [this.#writer])]);
  }
}

function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  http: CloudConfig['http'],
): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch, hostname: http.host, port: http.port }, () => resolve(server)) as Server;
    server.once('error', (cause: Error) => {
      const busy = 'code' in cause && cause.code === 'EADDRINUSE';
      reject(
        new UnavailableError(
          'PORT_BUSY',
          busy ? `port ${http.port} on ${http.host} is in use` : describeError(cause),
          {
            retry: 'never',
            hint: 'change http.port in cloud.yaml, or end what listens there',
            cause,
          },
        ),
      );
    });
  });
}
