import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { LinkTls } from '@millwright/device-drivers/mqtt-link';
import {
  type Clock,
  InvalidInputError,
  type Lifecycle,
  type Logger,
  startAll,
  stopAll,
} from '@millwright/protocol';
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

  /** @throws InvalidInputError `BRIDGE_TLS`; UnavailableError when the store cannot be opened */
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
    const { MqttClientLink } = await import('@millwright/device-drivers/mqtt-link');
    const { name, username, passwordEnv, queue, session, topics } = config;
    const password = passwordEnv === undefined ? undefined : secret(passwordEnv);
    if (passwordEnv !== undefined && password === undefined) {
      logger.warn({ bridge: name, variable: passwordEnv }, 'the variable that holds the password is not set');
    }
    const tls = await this.#tls(config);
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

  async #tls({ name, tls }: BridgeConfig): Promise<LinkTls | undefined> {
    if (tls === undefined) return undefined;
    const read = async (file: string | undefined) =>
      file === undefined ? undefined : readFile(resolve(this.#config.folder, file));
    try {
      const [ca, cert, key] = await Promise.all([read(tls.ca), read(tls.cert), read(tls.key)]);
      return {
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
      };
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new InvalidInputError(
        'BRIDGE_TLS',
        `bridge "${name}": a file of its tls block cannot be read: ${why}`,
        {
          cause,
        },
      );
    }
  }
}
