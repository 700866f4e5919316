import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

type Direction = 'up' | 'down';

/** What a network does to a connection; changed while it runs. */
export interface Weather {
  /** One-way delay of every byte. */
  readonly latencyMs: number;
  /** Bytes per second and direction; 0 = unlimited. */
  readonly bytesPerSecond: number;
  /** Accepts everything and delivers nothing, while the TCP connection stays up. */
  readonly blackhole: boolean;
  /** Refuses new connections by closing them at once. */
  readonly refuse: boolean;
  /** A new connection dies after so many bytes in either direction; 0 = never. */
  readonly lifeBytes: number;
}

const FAIR: Weather = { latencyMs: 0, bytesPerSecond: 0, blackhole: false, refuse: false, lifeBytes: 0 };
/** What a slow direction may hold before the sender is made to wait, like a router's queue. */
const QUEUE_BYTES = 256 * 1024;

/**
 * A TCP relay that behaves like a bad network: it delays, slows, cuts, truncates, blackholes and corrupts.
 * It also counts bytes and connections.
 */
export class TcpProxy {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #closedBytes = { up: 0, down: 0 };
  #weather = FAIR;
  #connections = 0;

  constructor(target: { readonly port: number; readonly host?: string }) {
    this.#target = { host: target.host ?? '127.0.0.1', port: target.port };
    this.#server = createServer((client) => this.#accept(client));
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    this.cut();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return address.port;
  }

  /** Connections accepted so far. */
  get connections(): number {
    return this.#connections;
  }

  /** Connections open now. */
  get open(): number {
    return this.#links.size;
  }

  /** Payload bytes relayed so far; `up` is from client to target. */
  get bytes(): { readonly up: number; readonly down: number } {
    let { up, down } = this.#closedBytes;
    for (const link of this.#links) {
      up += link.bytes.up;
      down += link.bytes.down;
    }
    return { up, down };
  }

  set weather(weather: Partial<Weather>) {
    this.#weather = { ...FAIR, ...weather };
  }

  get weather(): Weather {
    return this.#weather;
  }

  /** Ends every connection at once, with what was under way lost. */
  cut(): void {
    for (const link of this.#links) link.destroy();
  }

  /** Ends every connection once `bytes` more were relayed in `direction`: in the middle of whatever is sent then. */
  truncateAfter(bytes: number, direction: Direction = 'up'): void {
    for (const link of this.#links) link.truncateAfter(bytes, direction);
  }

  /** Puts `bytes` into every connection. */
  inject(bytes: Uint8Array, direction: Direction = 'up'): void {
    for (const link of this.#links) link.inject(bytes, direction);
  }

  #accept(client: Socket): void {
    this.#connections += 1;
    if (this.#weather.refuse) {
      client.resetAndDestroy();
      return;
    }
    const link = new Link(client, connect(this.#target), () => this.#weather);
    this.#links.add(link);
    const { lifeBytes } = this.#weather;
    if (lifeBytes > 0) for (const way of ['up', 'down'] as const) link.truncateAfter(lifeBytes, way);
    link.onEnd(() => {
      this.#links.delete(link);
      this.#closedBytes.up += link.bytes.up;
      this.#closedBytes.down += link.bytes.down;
    });
  }
}

class Link {
  readonly bytes = { up: 0, down: 0 };
  readonly #up: Pipe;
  readonly #down: Pipe;
  readonly #sockets: readonly Socket[];
  #onEnd: () => void = () => undefined;
  #ended = false;

  constructor(client: Socket, target: Socket, weather: () => Weather) {
    this.#sockets = [client, target];
    const end = () => this.destroy();
    this.#up = new Pipe({ from: client, to: target, weather, end, count: (n) => (this.bytes.up += n) });
    this.#down = new Pipe({ from: target, to: client, weather, end, count: (n) => (this.bytes.down += n) });
    for (const socket of this.#sockets) {
      socket.setNoDelay(true);
      socket.on('error', () => this.destroy());
    }
  }

  onEnd(listener: () => void): void {
    this.#onEnd = listener;
  }

  truncateAfter(bytes: number, direction: Direction): void {
    this.#pipe(direction).truncateAfter(bytes);
  }

  inject(bytes: Uint8Array, direction: Direction): void {
    this.#pipe(direction).inject(bytes);
  }

  destroy(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#up.stop();
    this.#down.stop();
    for (const socket of this.#sockets) socket.destroy();
    this.#onEnd();
  }

  #pipe(direction: Direction): Pipe {
    return direction === 'up' ? this.#up : this.#down;
  }
}

interface PipeParts {
  readonly from: Socket;
  readonly to: Socket;
  readonly weather: () => Weather;
  readonly end: () => void;
  readonly count: (bytes: number) => void;
}

/** One direction. Bytes wait in `#queue` until their time has come. */
class Pipe {
  readonly #parts: PipeParts;
  readonly #queue: { readonly bytes: Uint8Array; readonly dueMs: number }[] = [];
  #queuedBytes = 0;
  #freeAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #remaining = Number.POSITIVE_INFINITY;
  #ended = false;

  constructor(parts: PipeParts) {
    this.#parts = parts;
    const { from, to } = parts;
    from.on('data', (bytes: Uint8Array) => this.#take(bytes));
    from.on('end', () => {
      this.#ended = true;
      this.#deliver();
    });
    from.on('close', () => {
      if (!this.#ended) parts.end();
    });
    to.on('drain', () => this.#resume());
  }

  truncateAfter(bytes: number): void {
    this.#remaining = bytes;
  }

  inject(bytes: Uint8Array): void {
    this.#parts.to.write(bytes);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#queue.length = 0;
  }

  #take(bytes: Uint8Array): void {
    const { latencyMs, bytesPerSecond, blackhole } = this.#parts.weather();
    this.#parts.count(bytes.length);
    if (blackhole) return;
    const nowMs = performance.now();
    const tookMs = bytesPerSecond > 0 ? (bytes.length / bytesPerSecond) * 1000 : 0;
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + tookMs;
    this.#queue.push({ bytes, dueMs: this.#freeAtMs + latencyMs });
    this.#queuedBytes += bytes.length;
    const limit = bytesPerSecond > 0 ? Math.min(QUEUE_BYTES, bytesPerSecond) : QUEUE_BYTES * 64;
    if (this.#queuedBytes > limit) this.#parts.from.pause();
    this.#deliver();
  }

  #deliver(): void {
    if (this.#timer !== undefined) return;
    const { to, end, weather } = this.#parts;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const waitMs = next.dueMs - performance.now();
      if (waitMs > 0.5) {
        this.#timer = setTimeout(() => {
          this.#timer = undefined;
          this.#deliver();
        }, waitMs);
        return;
      }
      this.#queue.shift();
      this.#queuedBytes -= next.bytes.length;
      if (weather().blackhole) continue;
      const part = next.bytes.subarray(0, this.#remaining);
      this.#remaining -= part.length;
      if (!to.write(part)) this.#parts.from.pause();
      if (this.#remaining === 0) {
        to.end(() => end());
        return;
      }
    }
    this.#resume();
    if (this.#ended) to.end();
  }

  #resume(): void {
    const { from, to } = this.#parts;
    if (from.isPaused() && !to.writableNeedDrain && this.#queuedBytes < QUEUE_BYTES / 2) from.resume();
  }
}
