import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { describe, it, vi } from 'vitest';
import { type DriverPeer, describeDriver } from '../testing/index.ts';
import { sparkplugDriver } from './index.ts';
import { METRIC, PRESS_POINTS, pressAt, pressEdgeNode } from './press.fixture.ts';

const MOSQUITTO = '/usr/sbin/mosquitto';

/** Mosquitto at a port of its own that can be killed and comes back there, and a way to it that counts connections. */
class Mosquitto {
  readonly #folder = mkdtempSync(join(tmpdir(), 'millwright-mosquitto-'));
  readonly #sockets = new Set<Socket>();
  readonly #relay = createServer((client) => this.#join(client));
  #port = 0;
  #process: ChildProcess | undefined;

  async create(): Promise<void> {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    this.#port = (probe.address() as AddressInfo).port;
    probe.close();
    await once(probe, 'close');
    writeFileSync(
      join(this.#folder, 'mosquitto.conf'),
      `listener ${this.#port} 127.0.0.1\nallow_anonymous true\npersistence false\n`,
    );
    this.#relay.listen(0, '127.0.0.1');
    await once(this.#relay, 'listening');
  }

  /** Past the count. */
  get url(): string {
    return `mqtt://127.0.0.1:${this.#port}`;
  }

  get countedUrl(): string {
    return `mqtt://127.0.0.1:${(this.#relay.address() as AddressInfo).port}`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  async start(): Promise<void> {
    if (this.#process !== undefined) return;
    this.#process = spawn(MOSQUITTO, ['-c', join(this.#folder, 'mosquitto.conf')], { stdio: 'ignore' });
    const patience = { timeout: 30_000, interval: 50 };
    const probe = await vi.waitFor(() => connectAsync(this.url, { reconnectPeriod: 0 }), patience);
    await probe.endAsync(true);
  }

  async kill(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (process === undefined) return;
    process.kill('SIGKILL');
    await once(process, 'exit');
  }

  async dispose(): Promise<void> {
    await this.kill();
    for (const socket of this.#sockets) socket.destroy();
    this.#relay.close();
    await once(this.#relay, 'close');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #join(client: Socket): void {
    this.#sockets.add(client);
    const broker = connect(this.#port, '127.0.0.1');
    client.pipe(broker).pipe(client);
    client.on('error', () => client.destroy());
    broker.on('error', () => broker.destroy());
    broker.once('close', () => client.destroy());
    client.once('close', () => {
      this.#sockets.delete(client);
      broker.destroy();
    });
  }
}

async function createPeer(): Promise<DriverPeer<'sparkplug'>> {
  const broker = new Mosquitto();
  await broker.create();
  const edge = pressEdgeNode(broker.url);
  return {
    device: pressAt(broker.countedUrl),
    start: async () => {
      await broker.start();
      await edge.start();
    },
    stop: async () => {
      await broker.kill();
      await edge.stop();
    },
    set: (point, value) => edge.set(METRIC.get(point) ?? '', value),
    get: async (point) => edge.metrics.get(METRIC.get(point) ?? '')?.value ?? null,
    spoil: () => edge.sendData([{ alias: 1, type: 'String', withType: false, value: 'hot' }]),
    connections: () => broker.connections,
    dispose: async () => {
      await edge.stop();
      await broker.dispose();
    },
  };
}

if (existsSync(MOSQUITTO)) {
  describeDriver({
    name: 'Sparkplug at mosquitto, MQTT 5',
    module: sparkplugDriver,
    createPeer,
    points: PRESS_POINTS,
    values: [21, 36],
    unplugs: true,
    reads: false,
    recoveryMs: 30_000,
  });
} else {
  describe('driver contract: Sparkplug at mosquitto, MQTT 5', () => {
    it.skip(`needs ${MOSQUITTO}, which is not installed here`, () => undefined);
  });
}
