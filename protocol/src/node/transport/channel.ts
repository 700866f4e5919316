import type { Stream } from '@libp2p/interface';
import { decode, encode } from 'cborg';
import { Uint8ArrayList } from 'uint8arraylist';
import type { z } from 'zod';
import { InvalidInputError, LimitError } from '../../errors.ts';
import { MAX_MESSAGE_BYTES } from '../../wire/v1/limits.ts';
import { closedError, drained, isCongested } from './drained.ts';
import { lengthPrefix, MessageReader } from './message-reader.ts';

/** Received and not yet taken: above the first the peer is made to wait, below the second it may go on. */
const PAUSE_ABOVE_BYTES = 512 * 1024;
const RESUME_BELOW_BYTES = 256 * 1024;
const CLOSE_TIMEOUT_MS = 2_000;

/** What may be said on a channel, from this side's point of view. */
export interface ChannelSchemas<In, Out> {
  readonly receive: z.ZodType<In>;
  readonly send: z.ZodType<Out>;
}

/**
 * Typed messages over one libp2p stream: CBOR behind a length, checked against a schema in both directions.
 *
 * A silent peer is noticed by the connection below (see `Host`), which then fails every channel on it.
 * One consumer at a time.
 */
export class Channel<In, Out> implements AsyncIterable<In> {
  readonly #stream: Stream;
  readonly #schemas: ChannelSchemas<In, Out>;
  readonly #reader = new MessageReader({ maxBytes: MAX_MESSAGE_BYTES });
  readonly #ended = new AbortController();
  #inputEnded = false;
  #discarding = false;
  #failure: unknown;
  #wake: () => void = () => undefined;
  #bytesSent = 0;

  constructor(stream: Stream, schemas: ChannelSchemas<In, Out>) {
    this.#stream = stream;
    this.#schemas = schemas;
    stream.addEventListener('message', ({ data }) => this.#onData(data));
    stream.addEventListener('remoteCloseWrite', () => this.#endInput());
    stream.addEventListener('close', ({ error }) => this.#onClose(error));
    // Both may have happened while the protocol was negotiated; what was received before that comes with the next turn.
    if (stream.status !== 'open') setImmediate(() => this.#onClose());
    else if (stream.remoteWriteStatus === 'closed') setImmediate(() => this.#endInput());
  }

  /** Aborted once the stream is gone in both directions. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** True while earlier messages still wait in this process: a best-effort sender skips its turn. */
  get congested(): boolean {
    return isCongested(this.#stream);
  }

  /** Bytes of all messages sent, with their lengths. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /**
   * Resolves once the transport has taken the message and can take more.
   * @throws InvalidInputError `MESSAGE_INVALID` or LimitError `MESSAGE_TOO_LARGE` for a message that may not be sent
   * @throws UnavailableError `CHANNEL_CLOSED`
   */
  async send(message: Out, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    options.signal?.throwIfAborted();
    const body = encode(this.#checked(this.#schemas.send, message, 'send'));
    if (body.byteLength > MAX_MESSAGE_BYTES) {
      throw new LimitError(
        'MESSAGE_TOO_LARGE',
        `a message of ${body.byteLength} bytes exceeds ${MAX_MESSAGE_BYTES}`,
      );
    }
    const bytes = new Uint8ArrayList(lengthPrefix(body.byteLength), body);
    this.#bytesSent += bytes.byteLength;
    try {
      this.#stream.send(bytes);
    } catch (error) {
      throw closedError(error);
    }
    await this.drained(options);
  }

  /** Resolves when `congested` is false. @throws UnavailableError `CHANNEL_CLOSED` */
  drained(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return drained(this.#stream, options);
  }

  /**
   * The next message, or `undefined` after the peer has ended its side.
   * @throws UnavailableError `CHANNEL_CLOSED` when the stream broke; InvalidInputError `MESSAGE_INVALID`,
   *   LimitError `MESSAGE_TOO_LARGE` when the peer broke the protocol: the stream is then reset
   */
  async receive(options: { readonly signal?: AbortSignal } = {}): Promise<In | undefined> {
    for (;;) {
      options.signal?.throwIfAborted();
      const message = this.#take();
      if (message !== undefined) return message.value;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#inputEnded) {
        if (this.#reader.bufferedBytes > 0) throw closedError(new Error('it ends within a message'));
        return undefined;
      }
      await this.#change(options.signal);
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<In> {
    for (;;) {
      const message = await this.receive();
      if (message === undefined) return;
      yield message;
    }
  }

  /** Ends this side after what was sent; the peer may go on sending. Resets the stream when that takes too long. */
  async close(): Promise<void> {
    try {
      await this.#stream.close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) });
    } catch (error) {
      this.#stream.abort(closedError(error));
    }
  }

  /** Like `close`, and throws away whatever the peer still sends. */
  async end(): Promise<void> {
    this.#discarding = true;
    this.#reader.clear();
    await this.close();
  }

  /** Ends both sides at once and throws away what was not sent or taken yet. */
  abort(reason: Error): void {
    this.#fail(reason);
    this.#reader.clear();
    this.#stream.abort(reason);
  }

  #onClose(error?: Error): void {
    // When the connection below is lost, its streams close without an error.
    if (!this.#inputEnded) this.#fail(closedError(error));
    this.#ended.abort(this.#failure ?? closedError());
  }

  #onData(data: Uint8Array | Uint8ArrayList): void {
    if (this.#discarding) return;
    this.#reader.push(data);
    if (this.#reader.bufferedBytes > PAUSE_ABOVE_BYTES && this.#stream.readStatus === 'readable') {
      this.#stream.pause();
    }
    this.#wake();
  }

  #take(): { readonly value: In } | undefined {
    try {
      const bytes = this.#reader.next();
      if (bytes === undefined) return undefined;
      const value = this.#checked(this.#schemas.receive, decodeCbor(bytes), 'receive');
      const isRoomy = this.#reader.bufferedBytes < RESUME_BELOW_BYTES;
      if (isRoomy && this.#stream.readStatus === 'paused') this.#resume();
      return { value };
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  #resume(): void {
    try {
      this.#stream.resume();
    } catch {
      // The transport ended meanwhile: what it had buffered was delivered, and the window cannot be announced.
      this.#endInput();
    }
  }

  #checked<T>(schema: z.ZodType<T>, message: unknown, verb: 'send' | 'receive'): T {
    const result = schema.safeParse(message);
    if (result.success) return result.data;
    const [issue] = result.error.issues;
    throw new InvalidInputError(
      'MESSAGE_INVALID',
      `${this.#stream.protocol}: may not ${verb} this message: ${issue?.path.join('.')}: ${issue?.message}`,
      { cause: result.error },
    );
  }

  #endInput(): void {
    this.#inputEnded = true;
    this.#wake();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  /** Resolves when something arrived or ended. */
  #change(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => reject(signal?.reason);
      this.#wake = () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      signal?.addEventListener('abort', abort, { once: true });
    });
  }
}

function decodeCbor(bytes: Uint8Array): unknown {
  try {
    return decode(bytes, {
      strict: true,
      allowIndefinite: false,
      allowUndefined: false,
      rejectDuplicateMapKeys: true,
    });
  } catch (cause) {
    throw new InvalidInputError('MESSAGE_INVALID', 'a message is not valid CBOR', { cause });
  }
}
