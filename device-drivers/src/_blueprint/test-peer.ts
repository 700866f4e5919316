import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { type DeviceSpecOf, InlineDevice, PointId, PointNo, type Value } from '@millwright/protocol';
import type { DriverDevice } from '../driver.ts';
import type { DriverPeer } from '../testing/index.ts';

const NAMES = ['level', 'speed'] as const;

/** A device of the made-up protocol, on a real socket. */
export class LinePeer implements DriverPeer<'package'> {
  readonly device: DriverDevice<'package'>;
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  readonly #values = new Map<string, string>(NAMES.map((name) => [name, '0']));
  #server: Server | undefined;

  private constructor(packageName: string, port: number) {
    this.#port = port;
    const spec = InlineDevice.parse({
      ...{ id: 'tank-1', driver: 'package', package: packageName },
      connect: { host: '127.0.0.1', port, every: '50ms', timeout: '2s' },
      points: {
        level: { at: 'level', as: 'float64', unit: 'm' },
        speed: { at: 'speed', as: 'float64', write: {} },
      },
    }) as DeviceSpecOf<'package'>;
    this.device = {
      spec,
      numbers: new Map(NAMES.map((name, no) => [PointId.parse(name), PointNo.parse(no)])),
    };
  }

  /** @param packageName how the device file names the driver */
  static async create(packageName: string): Promise<LinePeer> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    server.close();
    await once(server, 'close');
    return new LinePeer(packageName, typeof address === 'object' && address !== null ? address.port : 0);
  }

  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    this.#server = createServer((socket) => this.#serve(socket)).listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    if (server === undefined) return;
    server.close();
    await once(server, 'close');
  }

  async set(point: PointId, value: Value): Promise<void> {
    this.#values.set(point, String(value));
  }

  async get(point: PointId): Promise<Value> {
    return Number(this.#values.get(point));
  }

  async spoil(point: PointId): Promise<void> {
    this.#values.set(point, 'n/a');
  }

  connections(): number {
    return this.#sockets.size;
  }

  async dispose(): Promise<void> {
    await this.stop();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setEncoding('utf8').on('data', (line: string) => {
      const [verb, name = '', value] = line.trimEnd().split(' ');
      if (!this.#values.has(name)) socket.write('error no such name\n');
      else if (verb === 'write' && value !== undefined) {
        this.#values.set(name, value);
        socket.write('ok\n');
      } else socket.write(`${this.#values.get(name)}\n`);
    });
  }
}
