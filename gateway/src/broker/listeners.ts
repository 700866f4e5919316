import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer } from 'node:tls';
import type { Logger } from '@millwright/protocol';
import { hostPort, listen } from '../service/listen.ts';
import type { Admission } from './admission.ts';
import { type BrokerConfig, PINNED_GROUP } from './config.ts';
import type { OffenceLog } from './offences.ts';
import type { ServerIdentity } from './tls/server-identity.ts';

const HANDSHAKE_MS = 10_000;
/** Room for a WebSocket message that carries several packets. */
const MAX_FRAME_BYTES = 1024 * 1024;

/** Where clients connect, `host:port`; absent: no such listener. */
export interface BrokerAddresses {
  readonly mqtt?: string;
  readonly mqtts?: string;
  /** `ws://…` or `wss://…`. */
  readonly websocket?: string;
}

export interface ListenersDeps {
  readonly logger: Logger;
  readonly admission: Admission;
  readonly offences: OffenceLog;
  /** Gets every admitted connection, decrypted. */
  readonly serve: (stream: Duplex, address: string, request?: IncomingMessage) => void;
  /** Asked for when there is a listener that needs it. */
  readonly identity: () => Promise<ServerIdentity>;
}

export type ListenersConfig = Pick<BrokerConfig, 'host' | 'port' | 'plain' | 'tls' | 'websocket' | 'limits'>;

/** The broker's doors: TCP, TLS and WebSocket, behind one admission. */
export class BrokerListeners {
  readonly #deps: ListenersDeps;
  readonly #config: ListenersConfig;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  constructor(deps: ListenersDeps, config: ListenersConfig) {
    this.#deps = deps;
    this.#config = config;
  }

  /** @throws UnavailableError `PORT_IN_USE`, `LISTEN_FAILED`, `TLS_AUTHORITY`; InvalidInputError `TLS_FILES` */
  async open(): Promise<BrokerAddresses> {
    const { host, plain, tls, websocket } = this.#config;
    const addresses: { mqtt?: string; mqtts?: string; websocket?: string } = {};
    if (plain) {
      const server = createServer((socket) => this.#serve(socket, socket));
      addresses.mqtt = await this.#listen(server, this.#config, { name: 'MQTT broker', block: 'broker' });
    }
    const secure = tls === undefined ? undefined : await this.#secureOptions(tls.groups);
    if (tls !== undefined && secure !== undefined) {
      const server = createTlsServer(secure, (socket) => this.#serve(socket, socket));
      server.on('tlsClientError', (error, socket) => this.#tlsFailed(error, socket));
      const where = { host: tls.host ?? host, port: tls.port };
      addresses.mqtts = await this.#listen(server, where, { name: 'MQTT over TLS', block: 'broker.tls' });
    }
    if (websocket !== undefined) {
      const timeouts = { headersTimeout: HANDSHAKE_MS, requestTimeout: HANDSHAKE_MS, maxHeaderSize: 8192 };
      const isSecure = websocket.tls && secure !== undefined;
      const server = isSecure ? createHttpsServer({ ...secure, ...timeouts }) : createHttpServer(timeouts);
      if (isSecure) server.on('tlsClientError', (error, socket) => this.#tlsFailed(error, socket));
      await this.#upgrade(server, websocket);
      const where = { host: websocket.host ?? host, port: websocket.port };
      const bound = await this.#listen(server, where, {
        name: 'MQTT over WebSocket',
        block: 'broker.websocket',
      });
      addresses.websocket = `${isSecure ? 'wss' : 'ws'}://${bound}${websocket.path}`;
    }
    return addresses;
  }

  async close(): Promise<void> {
    const closed = this.#servers
      .splice(0)
      .map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  async #secureOptions(groups: readonly string[]) {
    const { cert, key, authorityFile } = await this.#deps.identity();
    const weaker = groups.filter((group) => group !== PINNED_GROUP);
    if (weaker.length > 0) {
      this.#deps.logger.warn(
        { groups },
        `MQTT over TLS also accepts ${weaker.join(', ')}: what such a client sends can be recorded and read later`,
      );
    }
    if (authorityFile !== undefined) {
      this.#deps.logger.info({ authorityFile }, 'MQTT clients check the broker with this certificate');
    }
    return {
      cert,
      key,
      ecdhCurve: groups.join(':'),
      // The hybrid key agreement exists in TLS 1.3 only.
      minVersion: weaker.length === 0 ? ('TLSv1.3' as const) : ('TLSv1.2' as const),
      handshakeTimeout: HANDSHAKE_MS,
    };
  }

  async #listen(
    server: Server,
    where: { readonly host: string; readonly port: number },
    what: { readonly name: string; readonly block: string },
  ): Promise<string> {
    server.prependListener('connection', (socket: Socket) => this.#admit(socket));
    this.#servers.push(server);
    const bound = await listen(server, where, what);
    return hostPort(bound.address, bound.port);
  }

  /** Before a byte is read, and before TLS or HTTP see the socket. */
  #admit(socket: Socket): void {
    const address = addressOf(socket);
    const { admission, offences } = this.#deps;
    const admitted = admission.enter(address);
    if (admitted !== 'admitted') {
      socket.destroy();
      const why =
        admitted === 'CONNECT_RATE' ? 'it connects too often' : 'there are as many connections as allowed';
      offences.note(admitted, address, `connection from ${address} refused: ${why}`);
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      admission.leave();
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
  }

  #serve(stream: Duplex, socket: Socket, request?: IncomingMessage): void {
    if (!socket.destroyed) this.#deps.serve(stream, addressOf(socket), request);
  }

  async #upgrade(
    server: Server,
    { path, origins }: NonNullable<ListenersConfig['websocket']>,
  ): Promise<void> {
    const { createWebSocketStream, WebSocketServer } = await import('ws');
    const webSockets = new WebSocketServer({
      noServer: true,
      maxPayload: Math.max(MAX_FRAME_BYTES, 2 * this.#config.limits.payloadBytes),
      handleProtocols: (offered) => ['mqtt', 'mqttv3.1'].find((name) => offered.has(name)) ?? false,
    });
    server.on('request', (_request, response) => {
      response.writeHead(426, { connection: 'close', 'content-type': 'text/plain' });
      response.end('This speaks MQTT over WebSocket only.\n');
    });
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => socket.destroy());
      const { origin } = request.headers;
      if (request.url?.split('?')[0] !== path) return refuse(socket, '404 Not Found');
      if (origin !== undefined && !origins.includes(origin)) {
        const who = addressOf(request.socket);
        const named = origin.slice(0, 100);
        this.#deps.offences.note(
          'ORIGIN_DENIED',
          who,
          `web page of ${named} refused: not in broker.websocket.origins`,
        );
        return refuse(socket, '403 Forbidden');
      }
      const offered = request.headers['sec-websocket-protocol'] ?? '';
      if (!/\bmqtt(v3\.1)?\b/.test(offered)) return refuse(socket, '400 Bad Request');
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        this.#serve(createWebSocketStream(webSocket), request.socket, request);
      });
    });
  }

  #tlsFailed(error: NodeJS.ErrnoException, socket: Socket): void {
    socket.destroy();
    const address = addressOf(socket);
    const code = error.code ?? '';
    if (/NO_SUITABLE_KEY_SHARE|NO_SHARED_GROUP|NO_SUITABLE_GROUPS|UNSUPPORTED_PROTOCOL/.test(code)) {
      const groups = this.#config.tls?.groups.join(', ');
      const message = `client at ${address} cannot do ${groups} and was refused; broker.tls.groups says what is accepted`;
      this.#deps.offences.note('TLS_GROUP', address, message);
    } else if (!/ECONNRESET|EPIPE/.test(code)) {
      this.#deps.offences.note('TLS_FAILED', address, `TLS with ${address} failed: ${error.message}`);
    }
  }
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function addressOf(socket: Duplex): string {
  return (socket instanceof Socket ? socket.remoteAddress : undefined) ?? 'unknown';
}
