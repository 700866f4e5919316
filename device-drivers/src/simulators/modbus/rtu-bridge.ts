import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Lifecycle } from '@millwright/protocol';
import crc16 from 'modbus-serial/utils/crc16.js';
import { listenError } from '../port.ts';

export interface RtuBridgeConfig {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Where a Modbus/TCP device listens on this machine. */
  readonly devicePort: number;
}

/** unit (1), PDU (253), CRC (2). */
const MAX_FRAME_BYTES = 256;
const MBAP_BYTES = 6;

/** What a serial server does: RTU frames on a TCP socket outside, one Modbus/TCP connection per client inside. */
export class RtuBridge implements Lifecycle {
  readonly #config: RtuBridgeConfig;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(config: RtuBridgeConfig) {
    this.#config = config;
  }

  get port(): number {
    const address = this.#server?.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** @throws UnavailableError `PORT_IN_USE` */
  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    const { host, port } = this.#config;
    const server = createServer((socket) => this.#serve(socket));
    server.listen(port, host);
    try {
      await once(server, 'listening');
    } catch (error) {
      throw listenError(error, { host, port });
    }
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(server, 'close');
  }

  #serve(client: Socket): void {
    const device = connect(this.#config.devicePort, '127.0.0.1');
    this.#sockets.add(client);
    client.on('error', () => client.destroy());
    device.on('error', () => device.destroy());
    client.on('close', () => {
      this.#sockets.delete(client);
      device.destroy();
    });
    device.on('close', () => client.destroy());

    let requests: Buffer = Buffer.alloc(0);
    client.on('data', (bytes) => {
      requests = Buffer.concat([requests, bytes]);
      for (let size = requestBytes(requests); size <= requests.length; size = requestBytes(requests)) {
        const frame = requests.subarray(0, size);
        const body = frame.subarray(0, -2);
        const sound = crc16(body) === frame.readUInt16LE(body.length);
        // As on a serial line, what is damaged is not answered; the next frame may begin anywhere in it.
        if (sound) device.write(withMbap(body));
        requests = requests.subarray(sound ? size : 1);
      }
      if (requests.length > MAX_FRAME_BYTES) requests = requests.subarray(requests.length);
    });
    let answers: Buffer = Buffer.alloc(0);
    device.on('data', (bytes) => {
      answers = Buffer.concat([answers, bytes]);
      while (answers.length >= MBAP_BYTES && answers.length >= MBAP_BYTES + answers.readUInt16BE(4)) {
        const size = MBAP_BYTES + answers.readUInt16BE(4);
        client.write(withCrc(answers.subarray(MBAP_BYTES, size)));
        answers = answers.subarray(size);
      }
    });
  }
}

/** How long the request is that these bytes begin with; infinite while that cannot be told. */
function requestBytes(bytes: Buffer): number {
  if (bytes.length < 8) return Number.POSITIVE_INFINITY;
  const isMultipleWrite = bytes[1] === 15 || bytes[1] === 16;
  return isMultipleWrite ? 9 + (bytes[6] ?? 0) : 8;
}

function withMbap(body: Buffer): Buffer {
  const frame = Buffer.alloc(MBAP_BYTES + body.length);
  frame.writeUInt16BE(body.length, 4);
  body.copy(frame, MBAP_BYTES);
  return frame;
}

function withCrc(body: Buffer): Buffer {
  const frame = Buffer.alloc(body.length + 2);
  body.copy(frame);
  frame.writeUInt16LE(crc16(body), body.length);
  return frame;
}
