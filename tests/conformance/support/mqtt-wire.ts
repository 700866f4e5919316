import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type Packet, parser } from 'mqtt-packet';

type Of<C extends Packet['cmd']> = Extract<Packet, { cmd: C }>;

/** One packet a client sent, in which of its sessions, in which order. */
export interface Sent {
  readonly session: number;
  readonly packet: Packet;
  /** What was told the wire last: a step of the scenario. */
  readonly step: string;
}

/** Relays MQTT between a client and a broker and keeps every packet that the client sends, bit for bit. */
export class MqttWire {
  readonly sent: Sent[] = [];
  step = '';
  sessions = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #brokerPort: number;
  readonly #log: Sent[] | undefined;

  /** @param log of several wires, in the order of time */
  constructor(brokerPort: number, log?: Sent[]) {
    this.#brokerPort = brokerPort;
    this.#log = log;
    this.#server = createServer((client) => this.#accept(client));
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get url(): string {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? `mqtt://127.0.0.1:${address.port}` : '';
  }

  /** Breaks every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  of<C extends Packet['cmd']>(
    cmd: C,
  ): { readonly session: number; readonly step: string; readonly packet: Of<C> }[] {
    return this.sent.flatMap(({ packet, ...rest }) =>
      packet.cmd === cmd ? [{ ...rest, packet: packet as Of<C> }] : [],
    );
  }

  #accept(client: Socket): void {
    const session = this.sessions++;
    const broker = connect(this.#brokerPort, '127.0.0.1');
    const reader = parser();
    reader.on('packet', (packet: Packet) => {
      const sent = { session, packet, step: this.step };
      this.sent.push(sent);
      this.#log?.push(sent);
    });
    client.on('data', (chunk: Buffer) => {
      reader.parse(chunk);
      broker.write(chunk);
    });
    broker.on('data', (chunk: Buffer) => client.write(chunk));
    for (const [socket, other] of [
      [client, broker],
      [broker, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.once('end', () => other.end());
      socket.once('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }
}
