import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

const HEADER_BYTES = 6;
const REQUEST_BYTES = 12;

/** What holding register `address` holds, always. */
export function truth(address: number): number {
  return (address * 7919 + 3) & 0xffff;
}

/** One request for holding registers, and what a healthy device would answer. */
export interface Asked {
  readonly address: number;
  readonly count: number;
  /** How many requests came before it. */
  readonly nth: number;
  /** @param lie added to every register; @param transaction instead of the right one */
  frame(parts?: { readonly lie?: number; readonly transaction?: number }): Buffer;
}

/** A Modbus/TCP device whose answers `behave` makes: all frames it returns are sent, in this order. */
export class ModbusTestDevice {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #requests = 0;

  constructor(behave: (asked: readonly Asked[]) => readonly Buffer[]) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.#sockets.delete(socket));
      let pending: Buffer = Buffer.alloc(0);
      let asked: Asked[] = [];
      socket.on('data', (bytes) => {
        pending = Buffer.concat([pending, bytes]);
        for (; pending.length >= REQUEST_BYTES; pending = pending.subarray(REQUEST_BYTES)) {
          asked.push(read(pending.subarray(0, REQUEST_BYTES), this.#requests++));
        }
        // Requests that come shortly after one another are answered together.
        setTimeout(() => {
          const now = asked;
          asked = [];
          for (const frame of behave(now)) if (socket.writable) socket.write(frame);
        }, 5);
      });
    });
  }

  get requests(): number {
    return this.#requests;
  }

  /** @returns its port */
  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** @see MODBUS Messaging on TCP/IP Implementation Guide V1.0b §3.1.3; Modbus Application Protocol V1.1b3 §6.3 */
function read(request: Buffer, nth: number): Asked {
  const [transaction, unit] = [request.readUInt16BE(0), request[6] ?? 0];
  const [address, count] = [request.readUInt16BE(8), request.readUInt16BE(10)];
  return {
    address,
    count,
    nth,
    frame: (parts = {}) => {
      const body = Buffer.alloc(3 + 2 * count);
      body.set([unit, 3, 2 * count]);
      for (let i = 0; i < count; i++)
        body.writeUInt16BE((truth(address + i) + (parts.lie ?? 0)) & 0xffff, 3 + 2 * i);
      const head = Buffer.alloc(HEADER_BYTES);
      head.writeUInt16BE((parts.transaction ?? transaction) & 0xffff, 0);
      head.writeUInt16BE(body.length, 4);
      return Buffer.concat([head, body]);
    },
  };
}
