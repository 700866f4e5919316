import { connect, type Socket } from 'node:net';
import { type Clock, InvalidInputError, UnavailableError } from '@millwright/protocol';

const MAX_LINE = 1000;

export interface WireConfig {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}

/** One connection that answers one request at a time. Whatever goes wrong ends it: the next request connects anew. */
export class Wire {
  readonly #clock: Clock;
  readonly #config: WireConfig;
  #socket: Socket | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(deps: { readonly clock: Clock }, config: WireConfig) {
    this.#clock = deps.clock;
    this.#config = config;
  }

  /**
   * Asks when all earlier requests are answered.
   * @returns the answer without its line end
   * @throws UnavailableError `DEVICE_OFFLINE`; InvalidInputError `DEVICE_REFUSED` in the device's words
   */
  ask(request: string, { signal }: { readonly signal: AbortSignal }): Promise<string> {
    const answer = this.#queue.then(() => this.#ask(request, signal));
    this.#queue = answer.catch(() => undefined);
    return answer;
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  async #ask(request: string, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const abort = () => reject(signal.reason);
    const offline = (why: string, cause?: unknown) =>
      reject(
        new UnavailableError('DEVICE_OFFLINE', `${this.#config.host}:${this.#config.port}: ${why}`, {
          cause,
        }),
      );
    const { host, port } = this.#config;
    this.#socket ??= connect({ host, port }).setEncoding('utf8');
    const socket = this.#socket;
    let text = '';
    const listeners = {
      data: (chunk: string) => {
        text += chunk;
        if (text.length > MAX_LINE) offline(`answered more than ${MAX_LINE} characters`);
        else if (text.endsWith('\n')) resolve(text.trimEnd());
      },
      error: (error: Error) => offline(error.message, error),
      close: () => offline('closed the connection'),
    };
    for (const [event, listener] of Object.entries(listeners)) socket.on(event, listener);
    signal.addEventListener('abort', abort, { once: true });
    const { timeoutMs } = this.#config;
    const cancel = this.#clock.after(timeoutMs, () => offline(`did not answer within ${timeoutMs} ms`));
    try {
      socket.write(`${request}\n`);
      const answer = await promise;
      if (!answer.startsWith('error')) return answer;
      throw new InvalidInputError('DEVICE_REFUSED', `the device says: ${answer}`);
    } catch (error) {
      // An answer that comes late must not be taken for the answer to the next request.
      if (!(error instanceof InvalidInputError)) this.close();
      throw error;
    } finally {
      cancel();
      signal.removeEventListener('abort', abort);
      for (const [event, listener] of Object.entries(listeners)) socket.off(event, listener);
      socket.on('error', ignore);
    }
  }
}

/** A socket that breaks between two requests is found closed by the next one. */
function ignore(): void {
  return;
}
