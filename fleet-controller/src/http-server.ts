import type { Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import { describeError, type Lifecycle, UnavailableError } from '@millwright/protocol';

const DRAIN_MS = 1000;

export interface HttpAddress {
  readonly host: string;
  readonly port: number;
}

/** Listens for the API and the console. */
export class HttpServer implements Lifecycle {
  readonly #address: HttpAddress;
  #server: Server | undefined;
  #fetch: Parameters<typeof createAdaptorServer>[0]['fetch'];

  constructor(
    deps: { readonly fetch: Parameters<typeof createAdaptorServer>[0]['fetch'] },
    address: HttpAddress,
  ) {
    this.#fetch = deps.fetch;
    this.#address = address;
  }

  /** @throws UnavailableError `PORT_BUSY`, `HTTP_ADDRESS` */
  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createAdaptorServer({ fetch: this.#fetch }) as Server;
    await listen(server, this.#address);
    this.#server = server;
  }

  /** Lets answers under way finish for a second. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
    await closed;
    clearTimeout(cut);
  }

  /** The port in use; differs from the configured one when that is 0. */
  get port(): number {
    const address = this.#server?.address();
    return typeof address === 'object' && address !== null ? address.port : this.#address.port;
  }
}

function listen(server: Server, { host, port }: HttpAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenError('http', host, port, cause)));
    server.listen({ host, port }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

/** @param key of region.yaml that holds host and port */
export function listenError(
  key: 'http' | 'uplink',
  host: string,
  port: number,
  cause: unknown,
): UnavailableError {
  const text = describeError(cause);
  if (/EADDRINUSE/.test(text)) {
    return new UnavailableError('PORT_BUSY', `${key}.port: port ${port} on ${host} is in use`, {
      retry: 'never',
      hint: `end what listens there, or change ${key}.port in region.yaml`,
      cause,
    });
  }
  return new UnavailableError(
    `${key.toUpperCase()}_ADDRESS`,
    `${key}: cannot listen on ${host}:${port}: ${text}`,
    {
      retry: 'never',
      hint: `check ${key}.host and ${key}.port in region.yaml`,
      cause,
    },
  );
}
