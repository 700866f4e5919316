import type { EventEmitter } from 'node:events';
import type { MqttPublishOptions } from '@millwright/device-drivers';
import {
  type Clock,
  describeError,
  every,
  InvalidInputError,
  type Lifecycle,
  type Logger,
  UnavailableError,
} from '@millwright/protocol';
import { Aedes, type PublishPacket } from 'aedes';
import type { Kv, KvFile } from '../journal/kv/kv.ts';
import { openStore } from '../journal/kv/open-store.ts';
import { isLoopback } from '../service/listen.ts';
import { Admission } from './admission.ts';
import type { BrokerStats } from './broker-stats.ts';
import { ClientGate } from './client-gate.ts';
import { ClientStreams } from './client-streams.ts';
import { type BrokerConfig, listenerProblem } from './config.ts';
import type { BrokerCredentials } from './credentials.ts';
import { DurableRecords } from './durable-records.ts';
import { type BrokerAddresses, BrokerListeners } from './listeners.ts';
import { LocalSubscriptions, type MessageHandler } from './local-subscriptions.ts';
import { OffenceLog } from './offences.ts';
import { RetainedMessages } from './retained.ts';
import { BoundedSessions } from './sessions.ts';
import { SysTopics } from './sys-topics.ts';
import { serverIdentity } from './tls/server-identity.ts';
import { isTopicFilter, isTopicName } from './topic-filter.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const RELOAD_EVERY_MS = 2000;
const KEPT = { kept: true, retain: true };
/** How long a client may take to read what is sent to it. */
const DRAIN_TIMEOUT_MS = 20_000;

export interface MqttBrokerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly credentials: BrokerCredentials;
  /** Where retained messages and sessions are kept. */
  readonly file: KvFile;
}

export type MqttBrokerConfig = BrokerConfig & {
  /** Lets anyone on this machine in, without a password; refused for any other address. */
  readonly dev: boolean;
  /** Where the broker keeps what must outlive it. */
  readonly stateDir: string;
  /** What `$SYS/broker/version` says. */
  readonly version: string;
};

/** `client` is its username, or its identifier where it has none. `payload` is not to be kept. */
export type UnreadListener = (topic: string, payload: Uint8Array, client: string) => void;

/** The gateway's own MQTT 3.1.1 broker: TCP for devices, in-process for drivers. */
export class MqttBroker implements Lifecycle {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #credentials: BrokerCredentials;
  readonly #file: KvFile;
  readonly #config: MqttBrokerConfig;
  readonly #admission: Admission;
  readonly #offences: OffenceLog;
  readonly #retained: RetainedMessages;
  readonly #local: LocalSubscriptions;
  readonly #streams: ClientStreams;
  readonly #sys: SysTopics;
  readonly #barriers = new Set<(topic: string) => Promise<void> | undefined>();
  readonly #unreadListeners = new Set<UnreadListener>();
  readonly #stateListeners = new Set<(running: boolean) => void>();
  #reloadFailed = false;
  #running: Running | undefined;
  #clientsMax = 0;
  #messagesIn = 0;
  #bytesIn = 0;

  constructor(deps: MqttBrokerDeps, config: MqttBrokerConfig) {
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#credentials = deps.credentials;
    this.#file = deps.file;
    this.#config = config;
    this.#admission = new Admission(deps, config.limits);
    this.#offences = new OffenceLog(deps);
    this.#retained = new RetainedMessages({
      maxMessages: config.limits.retainedMessages,
      maxBytes: config.limits.retainedBytes,
    });
    this.#local = new LocalSubscriptions(deps);
    this.#streams = new ClientStreams({ offences: this.#offences }, config.limits);
    this.#sys = new SysTopics({
      clock: deps.clock,
      version: config.version,
      stats: () => this.stats(),
      publish: (topic, payload) => this.#send({ topic, payload, retain: true, qos: 0 }),
    });
  }

  /** `host:port` of the listener without encryption, once started. */
  get address(): string | undefined {
    return this.#running?.addresses.mqtt;
  }

  /** Every listener, once started. */
  get addresses(): BrokerAddresses {
    return this.#running?.addresses ?? {};
  }

  /** One sentence on who may connect. */
  describeOpen(): string {
    const { mqtt, mqtts, websocket } = this.addresses;
    const where = [mqtt, mqtts && `${mqtts} (TLS)`, websocket]
      .filter((each) => each !== undefined)
      .join(', ');
    return this.#config.dev
      ? `MQTT on ${where} is open to every program on this machine without a password, on all topics (--dev).`
      : `MQTT on ${where} takes a credential (${this.#credentials.size} known), each within its own topics.`;
  }

  /**
   * @throws UnavailableError `PORT_IN_USE`, `LISTEN_FAILED`, `TLS_AUTHORITY`
   * @throws InvalidInputError `DEV_NOT_LOOPBACK`, `CREDENTIALS_INVALID`, `TLS_FILES`, `LISTENERS`
   */
  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.#running !== undefined) return;
    this.#checkConfig();
    await this.#credentials.reload();
    options.signal?.throwIfAborted();
    const store = await this.#openStore();
    try {
      await this.#open(store, options);
    } catch (error) {
      await store.close();
      throw error;
    }
    this.#sys.start();
    this.#logger.info(this.describeOpen());
    for (const listener of this.#stateListeners) listener(true);
  }

  async #open(store: Store, options: { readonly signal?: AbortSignal }): Promise<void> {
    const { gate, sessions } = this.#rules(store.records);
    await sessions.load();
    const { limits } = this.#config;
    const aedes = new Aedes({
      ...gate.hooks,
      authorizeForward: (client, packet) => this.#streams.forward(client, packet, gate),
      persistence: sessions,
      connectTimeout: CONNECT_TIMEOUT_MS,
      drainTimeout: DRAIN_TIMEOUT_MS,
      maxClientsIdLength: 64,
      maxInflightInbound: limits.inflightPerClient,
      queueLimit: 100,
    });
    gate.watch(aedes, (clientId) => sessions.ownerOf(clientId));
    aedes.on('client', () => {
      this.#clientsMax = Math.max(this.#clientsMax, aedes.connectedClients);
    });
    const emitter: EventEmitter = aedes;
    emitter.on('error', (error: Error) => this.#logger.error({ error: error.message }, 'broker failed'));
    await aedes.listen();
    const listeners = new BrokerListeners(
      {
        logger: this.#logger,
        admission: this.#admission,
        offences: this.#offences,
        serve: (stream, address, request) => {
          gate.arrived(aedes.handle(stream, request), address);
          this.#streams.guard(stream, address);
        },
        identity: () => serverIdentity(this.#config.tls ?? { names: [] }, this.#config.stateDir),
      },
      this.#config,
    );
    try {
      const addresses = await listeners.open();
      options.signal?.throwIfAborted();
      const stopReloading = every(this.#clock, RELOAD_EVERY_MS, () => void this.#reload(gate, sessions));
      this.#running = { aedes, listeners, sessions, store, addresses, stopReloading };
    } catch (error) {
      await listeners.close();
      await new Promise<void>((resolve) => aedes.close(resolve));
      throw error;
    }
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.stopReloading();
    this.#sys.stop();
    for (const listener of this.#stateListeners) listener(false);
    await new Promise<void>((resolve) => running.aedes.close(resolve));
    await running.listeners.close();
    await running.store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Called with every message on `filter`, and with the retained ones right after this call. @returns unsubscribe */
  subscribe(
    filter: string,
    handler: MessageHandler,
    options: { readonly isRelay?: boolean } = {},
  ): () => void {
    if (!isTopicFilter(filter)) {
      throw new InvalidInputError('TOPIC_INVALID', `"${filter}" is not an MQTT topic filter`);
    }
    let active = true;
    const remove = this.#local.add(filter, handler, options);
    const kept = [...this.#retained.matching(filter)];
    queueMicrotask(() => {
      for (const message of kept) {
        // One that was replaced since then has reached the handler as a message of its own.
        if (active && this.#retained.holds(message)) {
          this.#local.deliver({ filter, handler }, message.topic, message.payload, KEPT);
        }
      }
    });
    return () => {
      active = false;
      remove();
    };
  }

  /** @throws UnavailableError `BROKER_STOPPED`; InvalidInputError `TOPIC_INVALID`, `PAYLOAD_TOO_LARGE`, `RETAINED_FULL` */
  publish(topic: string, payload: Uint8Array | string, options: MqttPublishOptions = {}): void {
    const running = this.#running;
    if (running === undefined) throw new UnavailableError('BROKER_STOPPED', 'the MQTT broker is not running');
    if (!isTopicName(topic) || topic.startsWith('$')) {
      throw new InvalidInputError('TOPIC_INVALID', `"${topic}" is not an MQTT topic to publish on`);
    }
    const bytes = Buffer.from(payload);
    if (bytes.length > this.#config.limits.payloadBytes) {
      throw new InvalidInputError(
        'PAYLOAD_TOO_LARGE',
        `payload of ${bytes.length} bytes for "${topic}" is too large`,
      );
    }
    const { retain = false, qos = 0, transient = false } = options;
    if (retain && !this.#retained.set(topic, bytes, qos, { transient })) {
      throw new InvalidInputError(
        'RETAINED_FULL',
        'the MQTT broker holds as many retained messages as it may',
      );
    }
    this.#send({ topic, payload: bytes, retain, qos });
    this.#local.dispatch(topic, bytes, retain);
  }

  /** Called with each message of a client that nobody in this process reads. @returns unsubscribe */
  onUnread(listener: UnreadListener): () => void {
    this.#unreadListeners.add(listener);
    return () => this.#unreadListeners.delete(listener);
  }

  /**
   * `barrier` is asked for each QoS 1 and 2 message of a client, after it was handed on within this process: the
   * client is told that it is safe when the promise resolves.
   * @returns what takes the barrier away
   */
  addBarrier(barrier: (topic: string) => Promise<void> | undefined): () => void {
    this.#barriers.add(barrier);
    return () => this.#barriers.delete(barrier);
  }

  /** Called with the current state at once, then on every change. @returns unsubscribe */
  onState(listener: (running: boolean) => void): () => void {
    this.#stateListeners.add(listener);
    listener(this.#running !== undefined);
    return () => this.#stateListeners.delete(listener);
  }

  stats(): BrokerStats {
    return {
      connections: this.#admission.open,
      clients: this.#running?.aedes.connectedClients ?? 0,
      clientsMax: this.#clientsMax,
      messagesIn: this.#messagesIn,
      bytesIn: this.#bytesIn,
      messagesOut: this.#streams.messagesOut,
      bytesOut: this.#streams.bytesOut,
      retained: this.#retained.size,
      sessions: this.#running?.sessions.count ?? 0,
      dropped: this.#streams.unread + (this.#running?.sessions.dropped ?? 0),
      offences: this.#offences.counts,
    };
  }

  /** A message that passed the gate. @returns false when it asks to be retained and there is no room */
  #accept(packet: PublishPacket, client: string): boolean {
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    if (packet.retain && !this.#retained.set(packet.topic, payload, packet.qos)) return false;
    this.#messagesIn++;
    this.#bytesIn += payload.length;
    const isRead = this.#local.dispatch(packet.topic, payload, packet.retain);
    if (!isRead) for (const listener of this.#unreadListeners) listener(packet.topic, payload, client);
    return true;
  }

  #checkConfig(): void {
    const { dev, host, tls, websocket } = this.#config;
    const open = [host, tls?.host, websocket?.host].find((name) => name !== undefined && !isLoopback(name));
    if (dev && open !== undefined) {
      throw new InvalidInputError(
        'DEV_NOT_LOOPBACK',
        `broker.host is "${open}", but --dev opens the broker without a password on this machine only`,
        { hint: 'leave out --dev and add credentials, or set broker.host to 127.0.0.1' },
      );
    }
    const problem = listenerProblem(this.#config);
    if (problem !== undefined) throw new InvalidInputError('LISTENERS', problem);
  }

  async #openStore(): Promise<Store> {
    const kv: Kv = await openStore(this.#file, this.#logger);
    const records = new DurableRecords({ clock: this.#clock, logger: this.#logger, kv });
    await this.#retained.load(records);
    const close = async () => {
      await records.stop();
      await kv.close();
    };
    return { records, close };
  }

  #rules(records: DurableRecords): { readonly gate: ClientGate; readonly sessions: BoundedSessions } {
    const { limits, dev } = this.#config;
    const gate = new ClientGate(
      {
        clock: this.#clock,
        logger: this.#logger,
        credentials: this.#credentials,
        offences: this.#offences,
        accept: (packet, client) => this.#accept(packet, client),
        keep: (packet) => this.#keep(packet, records, sessions),
      },
      { ...limits, dev },
    );
    const retained = this.#retained;
    const sys = this.#sys;
    const sessions: BoundedSessions = new BoundedSessions(
      {
        records,
        isKnown: (username) => (username === undefined ? dev : this.#credentials.get(username) !== undefined),
        retained: (filter) => (filter.startsWith('$SYS') ? sys : retained).matching(filter),
        granted: (client, filter) => gate.granted(client, filter),
        usernameOf: (client) => gate.usernameOf(client),
        isOnline: (id) => gate.isOnline(id),
      },
      {
        maxSessions: limits.sessions,
        maxQueuedPerSession: limits.queuedMessagesPerSession,
        maxQueuedBytes: limits.queuedBytes,
      },
    );
    return { gate, sessions };
  }

  #keep(
    packet: PublishPacket,
    records: DurableRecords,
    sessions: BoundedSessions,
  ): Promise<(() => void) | undefined> | undefined {
    const barriers: Promise<void>[] = [];
    for (const barrier of this.#barriers) {
      const wait = barrier(packet.topic);
      if (wait !== undefined) barriers.push(wait);
    }
    if (sessions.count === 0 && !packet.retain && barriers.length === 0) return undefined;
    return sessions.reserve(packet).then(async (takeBack) => {
      if (takeBack !== undefined || packet.retain) await records.committed();
      await Promise.all(barriers);
      return takeBack;
    });
  }

  #send(message: Pick<PublishPacket, 'topic' | 'retain'> & { payload: Buffer; qos: 0 | 1 }): void {
    this.#running?.aedes.publish({ cmd: 'publish', dup: false, ...message }, (error) => {
      if (error)
        this.#logger.debug({ topic: message.topic, error: error.message }, 'message was not passed on');
    });
  }

  async #reload(gate: ClientGate, sessions: BoundedSessions): Promise<void> {
    try {
      for (const username of await this.#credentials.reload()) {
        gate.expel(username);
        await sessions.forgetAllOf(username);
      }
      this.#reloadFailed = false;
    } catch (error) {
      if (!this.#reloadFailed) {
        this.#logger.error(
          { error: describeError(error) },
          'broker credentials not reloaded; the old ones stay in force',
        );
      }
      this.#reloadFailed = true;
    }
  }
}

interface Store {
  readonly records: DurableRecords;
  readonly close: () => Promise<void>;
}

interface Running {
  readonly aedes: Aedes;
  readonly listeners: BrokerListeners;
  readonly sessions: BoundedSessions;
  readonly store: Store;
  readonly addresses: BrokerAddresses;
  readonly stopReloading: () => void;
}
