import type { Connection, PeerId } from '@libp2p/interface';
import { UnauthorizedError, UnavailableError } from '../../errors.ts';
import { Channel, type ChannelSchemas } from './channel.ts';

/** Bounds what one peer can make this process hold. */
export const MAX_CHANNELS_PER_CONNECTION = 64;

/** A connection to an authenticated peer. */
export interface HostConnection {
  readonly peerId: string;
  /** Raw Ed25519 key of the peer, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Multiaddr. */
  readonly remoteAddress: string;
  readonly isOpen: boolean;
  /** @throws UnavailableError `PEER_UNREACHABLE` */
  open<In, Out>(
    protocol: string,
    schemas: ChannelSchemas<In, Out>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<Channel<In, Out>>;
  /** Calls `listener` once when the connection is gone, at once when it is already. */
  onClose(listener: () => void): void;
  /** Ends the connection after what was sent. */
  close(): Promise<void>;
  abort(reason: Error): void;
}

export class Libp2pConnection implements HostConnection {
  readonly peerId: string;
  readonly publicKey: Uint8Array;
  readonly remoteAddress: string;
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.peerId = connection.remotePeer.toString();
    this.publicKey = rawKeyOf(connection.remotePeer);
    this.remoteAddress = connection.remoteAddr.toString();
  }

  get isOpen(): boolean {
    return this.#connection.status === 'open';
  }

  async open<In, Out>(
    protocol: string,
    schemas: ChannelSchemas<In, Out>,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Channel<In, Out>> {
    try {
      const stream = await this.#connection.newStream(protocol, {
        maxOutboundStreams: MAX_CHANNELS_PER_CONNECTION,
        ...options,
      });
      return new Channel(stream, schemas);
    } catch (cause) {
      options.signal?.throwIfAborted();
      throw new UnavailableError(
        'PEER_UNREACHABLE',
        `cannot open ${protocol} to ${this.peerId}: ${messageOf(cause)}`,
        { cause },
      );
    }
  }

  onClose(listener: () => void): void {
    if (this.isOpen) this.#connection.addEventListener('close', listener, { once: true });
    else listener();
  }

  async close(): Promise<void> {
    try {
      await this.#connection.close();
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  abort(reason: Error): void {
    this.#connection.abort(reason);
  }
}

function rawKeyOf(peer: PeerId): Uint8Array {
  if (peer.type === 'Ed25519') return peer.publicKey.raw;
  throw new UnauthorizedError('PEER_CERTIFICATE', `the key of ${peer.toString()} is not Ed25519`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
