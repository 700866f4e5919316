import { describeError, UnavailableError } from '@millwright/protocol';
import type { SerialPort } from 'serialport';
import type { Wire } from './wire.ts';

export interface SerialSettings {
  /** Device file: `/dev/ttyUSB0`, or better `/dev/serial/by-id/…`, which survives replugging. */
  readonly path: string;
  readonly baud: number;
  readonly parity: 'none' | 'even' | 'odd';
  readonly dataBits: 7 | 8;
  readonly stopBits: 1 | 2;
}

/** A serial port of this machine. Unplugging the adapter ends it; it is opened again like any lost connection. */
export class SerialWire implements Wire {
  readonly name: string;
  readonly #settings: SerialSettings;
  #port: SerialPort | undefined;
  #closing: Promise<void> = Promise.resolve();

  constructor(settings: SerialSettings) {
    this.#settings = settings;
    this.name = settings.path;
  }

  async open(options: Parameters<Wire['open']>[0]): Promise<void> {
    const { signal, onBytes, onClose } = options;
    signal.throwIfAborted();
    const { path, baud: baudRate, parity, dataBits, stopBits } = this.#settings;
    await this.#closing;
    const { SerialPort: Port } = await loadSerialPort();
    const port: SerialPort = new Port({ path, baudRate, parity, dataBits, stopBits, autoOpen: false });
    let ended: unknown;
    await new Promise<void>((resolve, reject) => {
      port.open((error) => {
        if (error === null) resolve();
        else reject(this.#cannotOpen(error));
      });
    });
    port.on('data', (bytes: Uint8Array) => {
      try {
        onBytes(bytes);
      } catch (error) {
        ended = describeError(error);
        port.close();
      }
    });
    port.on('error', (error) => {
      ended = describeError(error);
    });
    port.once('close', (error: unknown) => {
      if (this.#port !== port) return;
      this.#port = undefined;
      onClose(String(ended ?? (error instanceof Error ? error.message : 'the port was closed')));
    });
    this.#port = port;
    if (signal.aborted) {
      this.close();
      signal.throwIfAborted();
    }
  }

  write(bytes: Uint8Array): void {
    this.#port?.write(Buffer.from(bytes));
  }

  close(): void {
    const port = this.#port;
    this.#port = undefined;
    if (port === undefined || !port.isOpen) return;
    // The port is locked until it is closed: opening it again waits for that.
    this.#closing = new Promise((resolve) => port.close(() => resolve()));
  }

  #cannotOpen(error: Error): UnavailableError {
    return new UnavailableError('MODBUS_CONNECT_FAILED', `cannot open ${this.name}: ${error.message}`, {
      hint: 'is the adapter plugged in, free, and may this user use it (on Debian: group dialout)?',
      cause: error,
    });
  }
}

async function loadSerialPort(): Promise<typeof import('serialport')> {
  try {
    return await import('serialport');
  } catch (cause) {
    throw new UnavailableError('MODBUS_CONNECT_FAILED', 'serial ports cannot be used on this machine', {
      hint: 'the package "serialport" carries no binary for it: use a serial server (rtuOverTcp)',
      cause,
    });
  }
}
