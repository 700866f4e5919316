import { resolve } from 'node:path';
import { type Clock, type Lifecycle, type Logger, startAll, stopAll } from '@millwright/protocol';
import type { KvFile } from '../../journal/kv/kv.ts';
import { openStore } from '../../journal/kv/open-store.ts';
import type { MqttBroker } from '../broker.ts';
import { DurableRecords } from '../durable-records.ts';
import { Bridge, type BridgeStats } from './bridge.ts';
import { BridgeQueue } from './bridge-queue.ts';
import type { BridgeConfig, BridgesConfig } from './config.ts';
import { TopicMap } from './topic-map.ts';

export interface BridgesDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly broker: MqttBroker;
  /** Where messages wait that another broker has not got yet. */
  readonly file: KvFile;
  /** The value of an environment variable. */
  readonly secret: (name: string) => string | undefined;
}

/** All bridges of a gateway over one store. */
export class Bridges implements Lifecycle {
  readonly #deps: BridgesDeps;
  readonly #config: { readonly bridges: BridgesConfig; readonly gateway: string; readonly folder: string };
  #running: { readonly bridges: readonly Bridge[]; readonly close: () => Promise<void> } | undefined;

  /**
   * @param config.gateway its name, for client identifiers
   * @param config.folder what files are relative to
   */
  constructor(
    deps: BridgesDeps,
    config: { readonly bridges: BridgesConfig; readonly gateway: string; readonly folder: string },
  ) {
    this.#deps = deps;
    this.#config = config;
  }

  /** @throws InvalidInputError `TLS_FILES`; UnavailableError when the store cannot be opened */
  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.#running !== undefined) return;
    const { clock, logger, file } = this.#deps;
    const kv = await openStore(file, logger);
    const records = new DurableRecords({ clock, logger, kv });
    const close = async () => {
      await records.stop();
      await kv.close();
    };
    try {
      const bridges = await Promise.all(this.#config.bridges.map((bridge) => this.#create(bridge, records)));
      await startAll(bridges, options);
      this.#running = { bridges, close };
    } catch (error) {
      await close();
      throw error;
    }
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (running === undefined) return;
    try {
      await stopAll(running.bridges);
    } finally {
      await running.close();
    }
  }

  stats(): readonly (BridgeStats & { readonly name: string })[] {
    return this.#running?.bridges.map((bridge) => ({ name: bridge.name, ...bridge.stats() })) ?? [];
  }

  async #create(config: BridgeConfig, records: DurableRecords): Promise<Bridge> {
    const { clock, logger, broker, secret } = this.#deps;
    const { MqttClientLink, readTls } = await import('@millwright/device-drivers/mqtt-link');
    const { name, username, passwordEnv, queue, session, topics } = config;
    const password = passwordEnv === undefined ? undefined : secret(passwordEnv);
    if (passwordEnv !== undefined && password === undefined) {
      logger.warn({ bridge: name, variable: passwordEnv }, 'the variable that holds the password is not set');
    }
    const tls = config.tls && (await readTls(this.#whole(config.tls)));
    const link = new MqttClientLink(
      { clock, logger: logger.child({ name: `gateway:bridge:${name}` }) },
      {
        url: config.broker,
        clientId: config.clientId ?? `millwright-${this.#config.gateway}-${name}`.slice(0, 64),
        sessionExpirySeconds: Math.ceil(session / 1000),
        noLocal: true,
        retainAsPublished: true,
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password }),
        ...(tls === undefined ? {} : { tls }),
      },
    );
    return new Bridge(name, {
      ...{ logger, broker, link, topics: new TopicMap(topics) },
      queue: new BridgeQueue({ records }, { name, ...queue }),
    });
  }

  #whole({ ca, cert, key }: NonNullable<BridgeConfig['tls']>) {
    const whole = (file: string | undefined) => file && resolve(this.#config.folder, file);
    return { ca: whole(ca), cert: whole(cert), key: whole(key) };
  }
}
