import { EventEmitter } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type Clock, describeError, UnavailableError } from '@millwright/protocol';
import modbusSerial from 'modbus-serial';
import type { ModbusBus, Outcome, Target } from './bus.ts';
import type { Encoded } from './codec.ts';
import { type Framing, MbapFraming, RtuFraming } from './framing.ts';
import { isBitTable, type Table } from './plan.ts';

const { default: ModbusRTU } = modbusSerial;
type Client = InstanceType<typeof ModbusRTU>;

const CONNECT_TIMEOUT_MS = 3000;
const KEEP_ALIVE_MS = 10_000;
const RECEIVE_BYTES = 4096;
const ILLEGAL_FUNCTION = 1;

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly framing: 'tcp' | 'rtuOverTcp';
}

type Settle = (outcome: Outcome<never>) => void;

/** modbus-serial builds the requests and checks the answers; the socket and the framing are ours. */
export class TcpBus implements ModbusBus {
  readonly name: string;
  readonly #endpoint: Endpoint;
  readonly #clock: Clock;
  readonly #received = Buffer.alloc(RECEIVE_BYTES);
  #open: { readonly socket: Socket; readonly client: Client } | undefined;
  #outstanding: Settle | undefined;

  constructor({ endpoint, clock }: { readonly endpoint: Endpoint; readonly clock: Clock }) {
    this.#endpoint = endpoint;
    this.#clock = clock;
    this.name = `${endpoint.host}:${endpoint.port}`;
  }

  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  open(options: { readonly signal: AbortSignal; readonly onClose: (why: string) => void }): Promise<void> {
    const { signal, onClose } = options;
    const { host, port } = this.#endpoint;
    const framing = this.#endpoint.framing === 'tcp' ? new MbapFraming() : new RtuFraming();
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      let ended: unknown;
      const modbusPort = new SocketPort(framing, (bytes) => socket.write(bytes));
      const socket = connect({
        host,
        port,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MS,
        onread: {
          buffer: this.#received,
          callback: (length, bytes) => {
            try {
              modbusPort.receive(bytes.subarray(0, length));
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
        const client = new ModbusRTU(modbusPort);
        client.open();
        this.#open = { socket, client };
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
        if (this.#open?.socket === socket) {
          this.#forget();
          onClose(why);
        } else if (signal.aborted) {
          reject(signal.reason);
        } else {
          reject(new UnavailableError('MODBUS_CONNECT_FAILED', `cannot connect to ${this.name}: ${why}`));
        }
      });
    });
  }

  close(): void {
    const socket = this.#open?.socket;
    this.#forget();
    socket?.destroy();
  }

  async read(target: Target, table: Table, address: number, width: number): Promise<Outcome<Uint8Array>> {
    const bytes = isBitTable(table) ? Math.ceil(width / 8) : 2 * width;
    return this.#ask<Uint8Array>(target, (client, done) => {
      // The library checks the length of the answer, but not the byte count inside it.
      const finish = (error: Error | null, reply?: { readonly buffer: Buffer }) =>
        done(error, reply?.buffer.length === bytes ? { data: reply.buffer } : undefined);
      if (table === 'holding') client.writeFC3(target.unit, address, width, finish);
      else if (table === 'input') client.writeFC4(target.unit, address, width, finish);
      else if (table === 'coil') client.writeFC1(target.unit, address, width, finish);
      else client.writeFC2(target.unit, address, width, finish);
    });
  }

  async write(target: Target, address: number, value: Encoded): Promise<Outcome<undefined>> {
    const { unit } = target;
    const written = (isEcho: boolean) => (isEcho ? { data: undefined } : undefined);
    if (value.to === 'coil') {
      return this.#ask(target, (client, done) => {
        client.writeFC5(unit, address, value.on, (error, reply) => {
          done(error, written(reply?.address === address && reply.state === value.on));
        });
      });
    }
    const [only] = value.words;
    if (value.words.length === 1 && only !== undefined) {
      const single = await this.#ask<undefined>(target, (client, done) => {
        client.writeFC6(unit, address, only, (error, reply) => {
          done(error, written(reply?.address === address && reply.value === only));
        });
      });
      const isUnknown = !single.ok && single.why === 'exception' && single.code === ILLEGAL_FUNCTION;
      if (!isUnknown) return single;
    }
    return this.#ask(target, (client, done) => {
      client.writeFC16(unit, address, [...value.words], (error, reply) => {
        done(error, written(reply?.address === address && reply.length === value.words.length));
      });
    });
  }

  #ask<T>(
    target: Target,
    send: (
      client: Client,
      done: (error: Error | null, reply: { readonly data: T } | undefined) => void,
    ) => void,
  ): Promise<Outcome<T>> {
    const open = this.#open;
    if (open === undefined) return Promise.resolve({ ok: false, why: 'closed' });
    return new Promise((resolve) => {
      let isSettled = false;
      const settle = (outcome: Outcome<T>) => {
        if (isSettled) return;
        isSettled = true;
        this.#outstanding = undefined;
        cancelTimer();
        resolve(outcome);
      };
      const cancelTimer = this.#clock.after(target.timeoutMs, () => settle({ ok: false, why: 'timeout' }));
      this.#outstanding = settle;
      send(open.client, (error, reply) => {
        const code = error !== null && 'modbusCode' in error ? error.modbusCode : undefined;
        if (typeof code === 'number') settle({ ok: false, why: 'exception', code });
        else if (error !== null || reply === undefined) settle({ ok: false, why: 'garbled' });
        else settle({ ok: true, data: reply.data });
      });
    });
  }

  #forget(): void {
    this.#open = undefined;
    this.#outstanding?.({ ok: false, why: 'closed' });
  }
}

/**
 * What modbus-serial asks of a port. Its own TCP port counts transactions to 256, so that a late answer can be
 * taken for a new one; its RTU-over-TCP port speaks neither framing. The underscored ids belong to that contract
 * and stay at 1: matching answers to requests is the framing's work.
 */
class SocketPort extends EventEmitter {
  readonly isOpen = true;
  _transactionIdRead = 1;
  _transactionIdWrite = 1;
  readonly #framing: Framing;
  readonly #send: (bytes: Uint8Array) => void;

  constructor(framing: Framing, send: (bytes: Uint8Array) => void) {
    super();
    this.#framing = framing;
    this.#send = send;
  }

  open(opened: () => void): void {
    opened();
  }

  write(adu: Uint8Array): void {
    this.#send(this.#framing.request(adu));
  }

  receive(bytes: Uint8Array): void {
    const adu = this.#framing.receive(bytes);
    if (adu !== null) this.emit('data', adu);
  }
}
