import type { Duplex } from 'node:stream';
import { connect, createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type {
  ConnectionEncrypter,
  MessageStream,
  PeerId,
  PrivateKey,
  SecureConnectionOptions,
  SecuredConnection,
} from '@libp2p/interface';
import { peerIdFromPublicKey } from '@libp2p/peer-id';
import type { Clock } from '../../clock.ts';
import { UnauthorizedError, UnavailableError } from '../../errors.ts';
import { createHostCertificate, hostKeyOfCertificate } from './host-certificate.ts';
import { duplexOver, TlsStream } from './tls-stream.ts';

/** The only key agreement: ML-KEM-768 beside X25519. A peer that cannot do it is refused. */
export const PINNED_GROUP = 'X25519MLKEM768';
const ALPN = 'libp2p';

export interface PinnedTlsOptions {
  readonly clock: Clock;
  /** A connection on which nothing arrives for so long is aborted. */
  readonly silenceMs: number;
}

/**
 * libp2p's TLS handshake with the key agreement pinned, on its own sockets only: mail and web clients of the same
 * process keep Node's defaults.
 *
 * Register no classical encrypter beside it: multistream-select is not authenticated, so whoever sits between could
 * choose the weaker one.
 * @see https://github.com/libp2p/specs/blob/master/tls/tls.md
 * @see https://datatracker.ietf.org/doc/draft-ietf-tls-ecdhe-mlkem/
 */
export function pinnedTls(
  options: PinnedTlsOptions,
): (components: { readonly privateKey: PrivateKey }) => ConnectionEncrypter {
  return (components) => new PinnedTls({ ...options, hostKey: components.privateKey });
}

class PinnedTls implements ConnectionEncrypter {
  readonly protocol = '/tls/1.0.0';
  readonly #options: PinnedTlsOptions;
  readonly #hostKey: PrivateKey;
  #context: Promise<SecureContext> | undefined;

  constructor(options: PinnedTlsOptions & { readonly hostKey: PrivateKey }) {
    this.#options = options;
    this.#hostKey = options.hostKey;
  }

  async secureInbound(
    connection: MessageStream,
    options?: SecureConnectionOptions,
  ): Promise<SecuredConnection> {
    const secureContext = await this.#secureContext();
    const duplex = duplexOver(connection);
    const socket = new TLSSocket(duplex, {
      isServer: true,
      secureContext,
      requestCert: true,
      // Certificates are self-signed; `hostKeyOfCertificate` checks what the specification asks for.
      rejectUnauthorized: false,
      ALPNProtocols: [ALPN],
    });
    return this.#finish(connection, duplex, socket, options);
  }

  async secureOutbound(
    connection: MessageStream,
    options?: SecureConnectionOptions,
  ): Promise<SecuredConnection> {
    const secureContext = await this.#secureContext();
    const duplex = duplexOver(connection);
    const socket = connect({
      socket: duplex,
      secureContext,
      rejectUnauthorized: false,
      ALPNProtocols: [ALPN],
    });
    return this.#finish(connection, duplex, socket, options);
  }

  #secureContext(): Promise<SecureContext> {
    this.#context ??= createHostCertificate(this.#hostKey).then(({ certPem, keyPem }) =>
      createSecureContext({
        cert: certPem,
        key: keyPem,
        minVersion: 'TLSv1.3',
        maxVersion: 'TLSv1.3',
        ecdhCurve: PINNED_GROUP,
      }),
    );
    return this.#context;
  }

  async #finish(
    transport: MessageStream,
    duplex: Duplex,
    socket: TLSSocket,
    options: SecureConnectionOptions = {},
  ): Promise<SecuredConnection> {
    duplex.on('error', (error) => socket.destroy(error));
    // There must be a listener at every moment: an error that nobody hears ends the process.
    socket.on('error', (error) => transport.abort(error));
    try {
      await handshake(socket, options.signal);
      const remotePeer = await this.#verify(socket, options.remotePeer);
      options.signal?.throwIfAborted();
      if (transport.status !== 'open' || socket.destroyed) {
        throw new UnavailableError('TLS_HANDSHAKE', 'the connection was lost in the handshake');
      }
      return { remotePeer, connection: new TlsStream({ transport, socket, ...this.#options }) };
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error));
      socket.destroy();
      transport.abort(reason);
      throw reason;
    }
  }

  async #verify(socket: TLSSocket, expected: PeerId | undefined): Promise<PeerId> {
    const { raw, issuerCertificate } = socket.getPeerCertificate(true);
    if (socket.alpnProtocol !== ALPN || raw === undefined) {
      throw new UnauthorizedError('PEER_CERTIFICATE', 'the peer showed no certificate for libp2p');
    }
    if (issuerCertificate !== undefined && !issuerCertificate.raw.equals(raw)) {
      throw new UnauthorizedError('PEER_CERTIFICATE', 'the peer sent a chain of certificates');
    }
    const remotePeer = peerIdFromPublicKey(await hostKeyOfCertificate(raw, this.#options.clock.wallMs()));
    if (expected !== undefined && !expected.equals(remotePeer)) {
      throw new UnauthorizedError(
        'PEER_MISMATCH',
        `PEER_MISMATCH: expected the host ${expected.toString()} and found ${remotePeer.toString()}`,
      );
    }
    return remotePeer;
  }
}

function handshake(socket: TLSSocket, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => {
      signal?.removeEventListener('abort', abort);
      socket.off('secure', secure).off('error', fail).off('close', closed);
      then();
    };
    const secure = () => settle(resolve);
    const fail = (cause: Error) =>
      settle(() =>
        reject(new UnavailableError('TLS_HANDSHAKE', `TLS handshake failed: ${cause.message}`, { cause })),
      );
    const closed = () => fail(new Error('the peer closed the connection'));
    const abort = () => fail(new Error('it took too long'));
    socket.on('secure', secure).on('error', fail).on('close', closed);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}
