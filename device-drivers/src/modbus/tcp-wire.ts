import { connect, type Socket } from 'node:net';
import { type Clock, describeError, UnavailableError } from '@millwright/protocol';
import type { Wire } from './wire.ts';

const CONNECT_TIMEOUT_MS = 3000;
const KEEP_ALIVE_MS = 10_000;
const RECEIVE_BYTES = 4096;

/** A TCP connection. */
export class TcpWire implements Wire {
  readonly name: string;
  readonly #address: { readonly host: string; readonly port: number };
  readonly #clock: Clock;
  readonly #received = Buffer.alloc(RECEIVE_BYTES);
  #socket: Socket | undefined;

  constructor(deps: { readonly clock: Clock }, address: { readonly host: string; readonly port: number }) {
    this.#address = address;
    this.#clock = deps.clock;
    this.name = `${address.host}:${address.port}`;
  }

  open(options: Parameters<Wire['open']>[0]): Promise<void> {
    const { signal, onBytes, onClose } = options;
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      let ended: unknown;
      const socket = connect({
        ...this.#address,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MS,
        onread: {
          buffer: this.#received,
          callback: (length, bytes) => {
            try {
              onBytes(bytes.subarray(0, length));
            } catch (error) {
              socket.destroy(error instanceof Error ? error : undefined);
            }
            return true;
          },
        },
      });
      const abort = () => socket.destroy();
      const cancelTimer = this.#clock.after(CONNECT_TIMEOUT_MS, () => {
        ended = `no connection within ${CONNECT_TIMEOUT_MS} ms`;
        socket.destroy();
      });
      signal.addEventListener('abort', abort, { once: true });
      socket.once('connect', () => {
        cancelTimer();
        signal.removeEventListener('abort', abort);
        this.#socket = socket;
        resolve();
      });
      socket.once('error', (error) => {
        ended = describeError(error);
      });
      socket.once('end', () => {
        ended ??= 'the device closed the connection';
      });
      socket.once('close', () => {
        cancelTimer();
        signal.removeEventListener('abort', abort);
        const why = String(ended ?? 'the connection was closed');
        if (this.#socket === socket) {
          this.#socket = undefined;
          onClose(why);
        } else if (signal.aborted) {
          reject(signal.reason);
        } else {
          reject(new UnavailableError('MODBUS_CONNECT_FAILED', `cannot connect to ${this.name}: ${why}`));
        }
      });
    });
  }

  write(bytes: Uint8Array): void {
    this.#socket?.write(bytes);
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }
}
