import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Aedes } from 'aedes';

/** A real MQTT 3.1.1 broker on the loopback interface for tests. It keeps its port and its retained messages while it is cut off. */
export class LoopbackBroker {
  readonly #aedes: Aedes;
  readonly #sockets = new Set<Socket>();
  readonly #received: string[] = [];
  readonly #subscriptions: string[] = [];
  #server: Server | undefined;
  #port = 0;

  private constructor(aedes: Aedes) {
    this.#aedes = aedes;
    aedes.on('publish', (packet, client) => {
      if (client !== null) this.#received.push(`${packet.topic}=${packet.payload.toString()}`);
    });
    aedes.on('subscribe', (subscriptions) => {
      for (const { topic } of subscriptions) {
        if (!this.#subscriptions.includes(topic)) this.#subscriptions.push(topic);
      }
    });
  }

  static async create(options: ConstructorParameters<typeof Aedes>[0] = {}): Promise<LoopbackBroker> {
    return new LoopbackBroker(await Aedes.createBroker(options));
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.#port}`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** What clients published, as `topic=payload`; also last wills. */
  get received(): readonly string[] {
    return this.#received;
  }

  /** Distinct filters that clients have asked for. */
  get subscriptions(): readonly string[] {
    return this.#subscriptions;
  }

  /** Listens, from the second time on at the same port. */
  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      this.#aedes.handle(socket);
    });
    this.#server = server;
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Breaks every connection and listens no more. */
  async cut(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(server, 'close');
  }

  publish(
    topic: string,
    payload: string | Uint8Array,
    options: { readonly retain?: boolean } = {},
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#aedes.publish(
        {
          cmd: 'publish',
          topic,
          payload: Buffer.from(payload),
          qos: 1,
          retain: options.retain ?? false,
          dup: false,
        },
        (error) => (error ? reject(error) : resolve()),
      );
    });
  }

  async dispose(): Promise<void> {
    await this.cut();
    await new Promise<void>((resolve) => this.#aedes.close(resolve));
  }
}
