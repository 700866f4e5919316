import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { AbortOptions, MessageStream } from '@libp2p/interface';
import { AbstractMessageStream, type SendResult } from '@libp2p/utils';
import { Uint8ArrayList } from 'uint8arraylist';
import type { Clock } from '../../clock.ts';
import { UnavailableError } from '../../errors.ts';
import { drained } from './drained.ts';

/** The transport as a Node stream, for a `TLSSocket` to run over; back-pressure passes through both ways. */
export function duplexOver(transport: MessageStream): Duplex {
  function write(data: Uint8Array | Uint8ArrayList, callback: (error?: Error | null) => void): void {
    try {
      if (transport.send(data)) callback();
      else drained(transport).then(() => callback(), callback);
    } catch (error) {
      callback(error instanceof Error ? error : new Error(String(error)));
    }
  }
  transport.pause();
  const duplex = new Duplex({
    // TLSSocket takes this over: the end of what is received is the end of the connection.
    allowHalfOpen: false,
    read: () => {
      if (transport.status === 'open') transport.resume();
    },
    write: (chunk: Uint8Array, _encoding, callback) => write(chunk, callback),
    writev: (chunks, callback) =>
      write(new Uint8ArrayList(...chunks.map((entry) => entry.chunk as Uint8Array)), callback),
    final: (callback) => {
      transport.close().then(() => callback(), callback);
    },
  });
  transport.addEventListener('message', ({ data }) => {
    let wantsMore = true;
    for (const chunk of data instanceof Uint8Array ? [data] : data) wantsMore = duplex.push(chunk);
    if (!wantsMore && transport.status === 'open') transport.pause();
  });
  transport.addEventListener('close', ({ error }) => {
    // A clean end lets what was received be read to its end.
    if (error === undefined) duplex.push(null);
    else duplex.destroy(error);
  });
  return duplex;
}

/**
 * Plain text in and out of a TLS connection, as libp2p's muxer wants it.
 *
 * A link that is silent for `silenceMs` is dead: the muxer's keep-alive makes a living one speak more often.
 * A half-open TCP connection would otherwise swallow writes for a quarter of an hour.
 */
export class TlsStream extends AbstractMessageStream {
  readonly #transport: MessageStream;
  readonly #socket: TLSSocket;
  #corked = false;
  #closed: Promise<void> | undefined;

  constructor(parts: {
    readonly transport: MessageStream;
    readonly socket: TLSSocket;
    readonly clock: Clock;
    readonly silenceMs: number;
  }) {
    const { transport, socket } = parts;
    super({
      log: transport.log,
      direction: transport.direction,
      inactivityTimeout: transport.inactivityTimeout,
      maxReadBufferLength: transport.maxReadBufferLength,
    });
    this.#transport = transport;
    this.#socket = socket;
    const stopWatching = this.#watchSilence(parts.clock, parts.silenceMs);
    socket.on('data', (bytes: Uint8Array) => this.onData(bytes));
    socket.on('drain', () => this.safeDispatchEvent('drain'));
    socket.on('close', () => {
      stopWatching();
      this.#closeTransport().catch((error: Error) => transport.abort(error));
      if (transport.status === 'closed') this.onTransportClosed();
    });
    transport.addEventListener('close', ({ error, local }) => {
      stopWatching();
      if (error === undefined) {
        if (socket.closed) this.onTransportClosed();
        return;
      }
      socket.destroy();
      if (local === true) this.abort(error);
      else this.onRemoteReset();
    });
  }

  sendData(data: Uint8ArrayList): SendResult {
    // Everything written in one tick becomes one TLS record and one packet where it fits.
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    let sentBytes = 0;
    for (const chunk of data) {
      sentBytes += chunk.byteLength;
      if (!this.#socket.write(chunk)) return { sentBytes, canSendMore: false };
    }
    return { sentBytes, canSendMore: true };
  }

  sendReset(error: Error): void {
    this.#socket.destroy();
    this.#transport.abort(error);
  }

  sendPause(): void {
    this.#socket.pause();
  }

  sendResume(): void {
    this.#socket.resume();
  }

  async close(options?: AbortOptions): Promise<void> {
    if (!this.#socket.closed) {
      const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
      this.#socket.destroySoon();
      await abortable(closed, options?.signal);
    }
    await this.#closeTransport();
  }

  #closeTransport(): Promise<void> {
    this.#closed ??= this.#transport.close();
    return this.#closed;
  }

  #watchSilence(clock: Clock, silenceMs: number): () => void {
    let heardMs = clock.monotonicMs();
    let cancel = clock.after(silenceMs, check);
    const transport = this.#transport;
    this.#socket.on('data', () => {
      heardMs = clock.monotonicMs();
    });
    function check(): void {
      const silentMs = clock.monotonicMs() - heardMs;
      if (silentMs < silenceMs) {
        cancel = clock.after(silenceMs - silentMs, check);
        return;
      }
      transport.abort(
        new UnavailableError('LINK_SILENT', `nothing was heard from the peer for ${Math.round(silentMs)} ms`),
      );
    }
    return () => cancel();
  }
}

function abortable(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
