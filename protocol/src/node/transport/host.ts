import { identify } from '@libp2p/identify';
import type { Connection, Libp2p, StreamMuxerFactory } from '@libp2p/interface';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import type { Clock } from '../../clock.ts';
import { UnavailableError } from '../../errors.ts';
import type { Lifecycle } from '../../lifecycle.ts';
import type { Logger } from '../../logger.ts';
import type { HostIdentity } from '../identity.ts';
import { addressOf, dialError, listenError } from './address.ts';
import { Channel, type ChannelSchemas } from './channel.ts';
import { type HostConnection, Libp2pConnection, MAX_CHANNELS_PER_CONNECTION } from './connection.ts';
import { pinnedTls } from './pinned-tls.ts';

export interface HostOptions {
  readonly identity: HostIdentity;
  /** Multiaddrs; empty for a host that only dials. Port 0 takes a free one. */
  readonly listen: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** @default 300 */
  readonly maxConnections?: number;
  /** How often the side that dialled asks whether the other is still there. @default 6000 */
  readonly keepAliveMs?: number;
  /** A connection on which nothing arrives for so long is dead. @default 15000 */
  readonly silenceMs?: number;
}

export type ChannelHandler<In, Out> = (
  channel: Channel<In, Out>,
  connection: HostConnection,
) => Promise<void>;

/** This machine on the libp2p network: one key, pinned TLS only. */
export interface Host extends Lifecycle {
  readonly peerId: string;
  readonly publicKey: Uint8Array;
  /** Multiaddrs this host can be dialled at, with its PeerId; empty before `start`. */
  addresses(): readonly string[];
  /**
   * Opens a new connection, whether or not there is one already.
   * @param address multiaddr or `host:port`
   * @param options.peerId whom the address must turn out to be
   * @throws InvalidInputError `ADDRESS_INVALID`
   * @throws UnauthorizedError `PEER_MISMATCH` when somebody else answers
   * @throws UnavailableError `PEER_UNREACHABLE`
   */
  connect(
    address: string,
    options: { readonly peerId: string; readonly signal?: AbortSignal },
  ): Promise<HostConnection>;
  /**
   * Answers channels of `protocol`, as long as this host lives. When the handler returns, this side of the channel is
   * closed and what still arrives is thrown away; when it throws, the channel is reset.
   */
  serve<In, Out>(
    protocol: string,
    schemas: ChannelSchemas<In, Out>,
    handler: ChannelHandler<In, Out>,
    options?: { readonly maxChannelsPerConnection?: number },
  ): void;
  /** Calls `listener` for every connection a peer opens to this host. */
  onInbound(listener: (connection: HostConnection) => void): void;
}

const DEFAULT_MAX_CONNECTIONS = 300;
const DEFAULT_KEEP_ALIVE_MS = 6_000;
const DEFAULT_SILENCE_MS = 15_000;
const SETUP_WITHIN_MS = 25_000;
/** Bounds what one stream can make this process hold. */
const MAX_WINDOW_BYTES = 1024 * 1024;

export function createHost(options: HostOptions): Host {
  return new Libp2pHost(options);
}

class Libp2pHost implements Host {
  readonly peerId: string;
  readonly publicKey: Uint8Array;
  readonly #options: HostOptions;
  readonly #connections = new WeakMap<Connection, HostConnection>();
  readonly #services: ((node: Libp2p) => Promise<void>)[] = [];
  readonly #inboundListeners: ((connection: HostConnection) => void)[] = [];
  #node: Promise<Libp2p> | undefined;
  #started: Libp2p | undefined;

  constructor(options: HostOptions) {
    this.#options = options;
    this.peerId = options.identity.peerId;
    this.publicKey = options.identity.publicKey;
  }

  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    options.signal?.throwIfAborted();
    this.#node ??= this.#create();
    try {
      this.#started = await this.#node;
    } catch (error) {
      this.#node = undefined;
      throw error;
    }
  }

  async stop(): Promise<void> {
    const node = this.#node;
    this.#node = undefined;
    this.#started = undefined;
    if (node !== undefined) await (await node).stop();
  }

  addresses(): readonly string[] {
    return this.#started?.getMultiaddrs().map((address) => address.toString()) ?? [];
  }

  async connect(
    address: string,
    options: { readonly peerId: string; readonly signal?: AbortSignal },
  ): Promise<HostConnection> {
    const target = addressOf(address, options.peerId);
    const node = this.#started;
    if (node === undefined) throw new UnavailableError('HOST_STOPPED', 'this host is not running');
    try {
      const connection = await node.dial(target, {
        force: true,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      return this.#wrap(connection);
    } catch (cause) {
      options.signal?.throwIfAborted();
      throw dialError(target, cause);
    }
  }

  serve<In, Out>(
    protocol: string,
    schemas: ChannelSchemas<In, Out>,
    handler: ChannelHandler<In, Out>,
    options: { readonly maxChannelsPerConnection?: number } = {},
  ): void {
    const { logger } = this.#options;
    const serve = (node: Libp2p) =>
      node.handle(
        protocol,
        async (stream, connection) => {
          const channel = new Channel(stream, schemas);
          try {
            await handler(channel, this.#wrap(connection));
            await channel.end();
          } catch (error) {
            logger.debug({ protocol, err: error }, 'channel reset');
            channel.abort(error instanceof Error ? error : new Error(String(error)));
          }
        },
        { maxInboundStreams: options.maxChannelsPerConnection ?? MAX_CHANNELS_PER_CONNECTION },
      );
    this.#services.push(serve);
    if (this.#started !== undefined) {
      serve(this.#started).catch((error) => logger.error({ protocol, err: error }, 'protocol is not served'));
    }
  }

  onInbound(listener: (connection: HostConnection) => void): void {
    this.#inboundListeners.push(listener);
  }

  async #create(): Promise<Libp2p> {
    const { identity, listen, clock } = this.#options;
    const silenceMs = this.#options.silenceMs ?? DEFAULT_SILENCE_MS;
    const node = await createLibp2p({
      start: false,
      privateKey: identity.privateKey,
      nodeInfo: { name: 'millwright' },
      addresses: { listen: [...listen] },
      transports: [tcp()],
      connectionEncrypters: [pinnedTls({ clock, silenceMs })],
      streamMuxers: [keptAliveYamux(this.#options.keepAliveMs ?? DEFAULT_KEEP_ALIVE_MS)],
      connectionManager: {
        maxConnections: this.#options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
        // A site's gateways share one address and all come back in the same second after an outage.
        inboundConnectionThreshold: 500,
        maxIncomingPendingConnections: 200,
        // At two seconds of round-trip time a connection needs five of them to be ready.
        dialTimeout: SETUP_WITHIN_MS,
        addressDialTimeout: SETUP_WITHIN_MS,
        inboundUpgradeTimeout: SETUP_WITHIN_MS,
        inboundStreamProtocolNegotiationTimeout: SETUP_WITHIN_MS,
        outboundStreamProtocolNegotiationTimeout: SETUP_WITHIN_MS,
      },
      // The muxer's keep-alive and the TLS stream's silence limit do this with a fifth of the bytes.
      connectionMonitor: { enabled: false },
      services: { identify: identify(), ping: ping() },
    });
    for (const service of this.#services) await service(node);
    node.addEventListener('connection:open', ({ detail }) => {
      if (detail.direction !== 'inbound') return;
      for (const listener of this.#inboundListeners) listener(this.#wrap(detail));
    });
    try {
      await node.start();
    } catch (cause) {
      await node.stop();
      throw listenError(listen, cause);
    }
    return node;
  }

  #wrap(connection: Connection): HostConnection {
    let wrapped = this.#connections.get(connection);
    if (wrapped === undefined) {
      wrapped = new Libp2pConnection(connection);
      this.#connections.set(connection, wrapped);
    }
    return wrapped;
  }
}

/** Only the side that dialled keeps asking: the other hears the questions. Its one question tells it the round-trip time. */
function keptAliveYamux(keepAliveMs: number): () => StreamMuxerFactory {
  const once = 24 * 3_600_000;
  const common = {
    maxInboundStreams: MAX_CHANNELS_PER_CONNECTION,
    streamOptions: { maxStreamWindowSize: MAX_WINDOW_BYTES },
  };
  const dialler = yamux({ ...common, keepAliveInterval: keepAliveMs })();
  const listener = yamux({ ...common, keepAliveInterval: once })();
  return () => ({
    protocol: dialler.protocol,
    createStreamMuxer: (stream) => {
      const muxer = (stream.direction === 'outbound' ? dialler : listener).createStreamMuxer(stream);
      const close = muxer.close.bind(muxer);
      // libp2p closes the socket next, with what TLS has not written yet. Ended from above, all of it goes first.
      muxer.close = async (options) => {
        await close(options);
        await stream.close(options);
      };
      return muxer;
    },
  });
}
