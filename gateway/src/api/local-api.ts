import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import type { Clock, Lifecycle, Logger } from '@millwright/protocol';
import { hostPort, isLoopback, listen } from '../service/listen.ts';
import { AccessToken } from './access-token.ts';
import type { ApiConfig } from './config.ts';
import { Door } from './guard.ts';
import type { Metrics } from './metrics.ts';
import { type Assets, createRoutes } from './routes.ts';
import type { ApiSources } from './sources.ts';

const MAX_CONNECTIONS = 100;

export interface LocalApiDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sources: ApiSources;
}

/** The gateway's own HTTP API and status page: works with no region. On this machine reading takes no token. */
export class LocalApi implements Lifecycle {
  readonly #deps: LocalApiDeps;
  readonly #config: ApiConfig & { readonly tokenPath: string };
  #running: { readonly server: Server; readonly url: string } | undefined;
  #metrics: Promise<Metrics> | undefined;

  /** @param config.tokenPath where the token is kept that changing something takes, and reading from elsewhere */
  constructor(deps: LocalApiDeps, config: ApiConfig & { readonly tokenPath: string }) {
    this.#deps = deps;
    this.#config = config;
  }

  /** Where it listens, once started. */
  get url(): string | undefined {
    return this.#running?.url;
  }

  /** @throws UnavailableError `PORT_IN_USE`, `LISTEN_FAILED`, `TOKEN_UNREADABLE`; InvalidInputError `TOKEN_INVALID` */
  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    const { clock, logger, sources } = this.#deps;
    const { host, names, tokenPath } = this.#config;
    const isOpen = isLoopback(host);
    const token = await AccessToken.load(tokenPath);
    const routes = createRoutes(
      {
        clock,
        logger,
        sources,
        metrics: () => this.#openMetrics(),
        door: new Door({ token, clock }, { isOpen }),
        assets: await loadAssets(),
      },
      { names },
    );
    const server = createServer(
      { headersTimeout: 10_000, requestTimeout: 15_000, keepAliveTimeout: 30_000, maxHeaderSize: 16 * 1024 },
      getRequestListener(routes.fetch, { overrideGlobalObjects: false }),
    );
    server.maxConnections = MAX_CONNECTIONS;
    const { address, port } = await listen(server, this.#config, { name: 'local API', block: 'http' });
    const url = `http://${hostPort(isAny(address) ? 'localhost' : address, port)}/`;
    this.#running = { server, url };
    logger.info(
      { url },
      isOpen
        ? 'status page and API, for this machine'
        : `status page and API, with the token in ${tokenPath}`,
    );
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    const metrics = this.#metrics;
    this.#metrics = undefined;
    (await metrics)?.stop();
    const closed = new Promise<void>((resolve) => running.server.close(() => resolve()));
    running.server.closeAllConnections();
    await closed;
  }

  /** A gateway that nobody scrapes does not pay for it. */
  #openMetrics(): Promise<Metrics> {
    this.#metrics ??= import('./metrics.ts').then(({ Metrics }) => {
      const metrics = new Metrics({ sources: this.#deps.sources });
      metrics.start();
      return metrics;
    });
    return this.#metrics;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

async function loadAssets(): Promise<Assets> {
  const load = async (name: string, type: string) =>
    [name, { type, body: await readFile(new URL(`./page/${name}`, import.meta.url), 'utf8') }] as const;
  return new Map([
    await load('status.css', 'text/css; charset=utf-8'),
    await load('status.js', 'text/javascript; charset=utf-8'),
    await load('icon.svg', 'image/svg+xml'),
  ]);
}

function isAny(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}
