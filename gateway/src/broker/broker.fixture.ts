import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { MqttBroker } from './broker.ts';
import { BrokerConfig } from './config.ts';
import { BrokerCredentials } from './credentials.ts';

/** A running broker on a free port, its credentials in a folder of its own, and the clients a test connects. */
export class BrokerFixture {
  readonly logger = new MemoryLogger();
  readonly folder = mkdtempSync(join(tmpdir(), 'millwright-broker-'));
  readonly credentials: BrokerCredentials;
  readonly file = new MemoryKvFile();
  readonly broker: MqttBroker;
  readonly #clients: MqttClient[] = [];

  constructor(
    options: {
      readonly dev?: boolean;
      readonly limits?: Partial<BrokerConfig['limits']>;
      readonly port?: number;
      readonly listeners?: Record<string, unknown>;
    } = {},
  ) {
    this.credentials = new BrokerCredentials(
      { clock: systemClock },
      { path: join(this.folder, 'broker-credentials.json') },
    );
    const config = BrokerConfig.parse({
      port: options.port ?? 0,
      limits: options.limits ?? {},
      ...options.listeners,
    });
    this.broker = new MqttBroker(
      { clock: systemClock, logger: this.logger, credentials: this.credentials, file: this.file },
      { ...config, dev: options.dev ?? false, stateDir: this.folder, version: '0.0.0' },
    );
  }

  static async started(options: ConstructorParameters<typeof BrokerFixture>[0] = {}): Promise<BrokerFixture> {
    const fixture = new BrokerFixture(options);
    await fixture.broker.start();
    return fixture;
  }

  get port(): number {
    return Number(this.broker.address?.split(':').at(-1));
  }

  /** A client that is connected, with a queue of what it received. */
  async connect(options: IClientOptions = {}): Promise<TestClient> {
    const client = connect(`mqtt://127.0.0.1:${this.port}`, {
      protocolVersion: 4,
      reconnectPeriod: 0,
      connectTimeout: 5000,
      ...options,
    });
    this.#clients.push(client);
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve());
      client.once('error', reject);
      client.once('close', () => reject(new Error('closed before it was connected')));
    });
    return new TestClient(client);
  }

  /** A credential and a client that uses it. */
  async connectAs(
    username: string,
    acl: { readonly publish?: readonly string[]; readonly subscribe?: readonly string[] } = {},
    options: IClientOptions = {},
  ): Promise<TestClient> {
    const { password } = await this.credentials.add({ username, ...acl });
    return this.connect({ username, password, ...options });
  }

  /** Codes of the offences that were logged, in order. */
  offences(): readonly unknown[] {
    return this.logger.lines.filter((line) => line.level === 'warn').map((line) => line.fields.code);
  }

  async dispose(): Promise<void> {
    for (const client of this.#clients) client.end(true);
    await this.broker.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class TestClient {
  readonly mqtt: MqttClient;
  /** `topic=payload`, oldest first. */
  readonly received: string[] = [];
  closed = false;

  constructor(client: MqttClient) {
    this.mqtt = client;
    client.on('message', (topic, payload) => this.received.push(`${topic}=${payload.toString()}`));
    client.on('close', () => {
      this.closed = true;
    });
    client.on('error', () => undefined);
  }
}
