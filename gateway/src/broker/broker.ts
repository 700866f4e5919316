import type { EventEmitter } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
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
import { hostPort, isLoopback, listen } from '../service/listen.ts';
import { Admission } from './admission.ts';
import { ClientGate } from './client-gate.ts';
import type { BrokerConfig } from './config.ts';
import type { BrokerCredentials } from './credentials.ts';
import { LocalSubscriptions, type MessageHandler } from './local-subscriptions.ts';
import { OffenceLog } from './offences.ts';
import { PacketGuard } from './packet-guard.ts';
import { RetainedMessages } from './retained.ts';
import { BoundedSessions } from './sessions.ts';
import { isTopicFilter, isTopicName } from './topic-filter.ts';

/** Room for topic and packet identifier beside the payload. */
const PACKET_OVERHEAD_BYTES = 2048;
const CONNECT_TIMEOUT_MS = 10_000;
const RELOAD_EVERY_MS = 2000;

export interface MqttBrokerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly credentials: BrokerCredentials;
}

export interface BrokerStats {
  readonly connections: number;
  readonly clients: number;
  readonly messagesIn: number;
  readonly bytesIn: number;
  readonly retained: number;
  readonly sessions: number;
  /** Messages not queued for an absent client because its queue was full. */
  readonly dropped: number;
  /** By code. */
  readonly offences: ReadonlyMap<string, number>;
}

/** The gateway's own MQTT 3.1.1 broker: TCP for devices, in-process for drivers. */
export class MqttBroker implements Lifecycle {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #credentials: BrokerCredentials;
  readonly #config: BrokerConfig & { readonly dev: boolean };
  readonly #admission: Admission;
  readonly #offences: OffenceLog;
  readonly #retained: RetainedMessages;
  readonly #local: LocalSubscriptions;
  readonly #sockets = new Set<Socket>();
  readonly #stateListeners = new Set<(running: boolean) => void>();
  #reloadFailed = false;
  #running: Running | undefined;
  #messagesIn = 0;
  #bytesIn = 0;

  /** @param config.dev lets anyone on this machine in, without a password; refused for any other address */
  constructor(deps: MqttBrokerDeps, config: BrokerConfig & { readonly dev: boolean }) {
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#credentials = deps.credentials;
    this.#config = config;
    this.#admission = new Admission(deps, config.limits);
    this.#offences = new OffenceLog(deps);
    this.#retained = new RetainedMessages({
      maxMessages: config.limits.retainedMessages,
      maxBytes: config.limits.retainedBytes,
    });
    this.#local = new LocalSubscriptions(deps);
  }

  /** `host:port` once started. */
  get address(): string | undefined {
    return this.#running?.address;
  }

  /** One sentence on who may connect. */
  describeOpen(): string {
    const where = this.address ?? hostPort(this.#config.host, this.#config.port);
    return this.#config.dev
      ? `MQTT on ${where} is open to every program on this machine without a password, on all topics (--dev).`
      : `MQTT on ${where} takes a credential (${this.#credentials.size} known), each within its own topics.`;
  }

  /** @throws UnavailableError `PORT_IN_USE`, `LISTEN_FAILED`; InvalidInputError `DEV_NOT_LOOPBACK`, `CREDENTIALS_INVALID` */
  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.#running !== undefined) return;
    if (this.#config.dev && !isLoopback(this.#config.host)) {
      throw new InvalidInputError(
        'DEV_NOT_LOOPBACK',
        `broker.host is "${this.#config.host}", but --dev opens the broker without a password on this machine only`,
        { hint: 'leave out --dev and add credentials, or set broker.host to 127.0.0.1' },
      );
    }
    await this.#credentials.reload();
    options.signal?.throwIfAborted();
    const gate = new ClientGate(
      {
        clock: this.#clock,
        logger: this.#logger,
        credentials: this.#credentials,
        offences: this.#offences,
        accept: (packet) => this.#accept(packet),
      },
      { ...this.#config.limits, dev: this.#config.dev },
    );
    const sessions = new BoundedSessions(
      {
        retained: this.#retained,
        granted: (client, filter) => gate.granted(client, filter),
        usernameOf: (client) => gate.usernameOf(client),
        isOnline: (id) => gate.isOnline(id),
      },
      {
        maxSessions: this.#config.limits.sessions,
        maxQueuedPerSession: this.#config.limits.queuedMessagesPerSession,
        maxQueuedBytes: this.#config.limits.queuedBytes,
      },
    );
    const aedes = new Aedes({
      ...gate.hooks,
      persistence: sessions,
      connectTimeout: CONNECT_TIMEOUT_MS,
      maxClientsIdLength: 64,
      queueLimit: 100,
    });
    gate.watch(aedes, (clientId) => sessions.ownerOf(clientId));
    const emitter: EventEmitter = aedes;
    emitter.on('error', (error: Error) => this.#logger.error({ error: error.message }, 'broker failed'));
    await aedes.listen();
    const server = createServer((socket) => this.#serve(socket, aedes, gate));
    try {
      const bound = await listen(server, this.#config, { name: 'MQTT broker', block: 'broker' });
      options.signal?.throwIfAborted();
      const stopReloading = every(this.#clock, RELOAD_EVERY_MS, () => void this.#reload(gate, sessions));
      const address = hostPort(bound.address, bound.port);
      this.#running = { aedes, server, sessions, address, stopReloading };
    } catch (error) {
      await close(server);
      await new Promise<void>((resolve) => aedes.close(resolve));
      throw error;
    }
    this.#logger.info(this.describeOpen());
    for (const listener of this.#stateListeners) listener(true);
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.stopReloading();
    for (const listener of this.#stateListeners) listener(false);
    const closed = close(running.server);
    await new Promise<void>((resolve) => running.aedes.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Called with every message on `filter`, and with the retained ones right after this call. @returns unsubscribe */
  subscribe(filter: string, handler: MessageHandler): () => void {
    if (!isTopicFilter(filter)) {
      throw new InvalidInputError('TOPIC_INVALID', `"${filter}" is not an MQTT topic filter`);
    }
    let active = true;
    const remove = this.#local.add(filter, handler);
    const kept = [...this.#retained.matching(filter)];
    queueMicrotask(() => {
      for (const message of kept) {
        // One that was replaced since then has reached the handler as a message of its own.
        if (active && this.#retained.holds(message)) {
          this.#local.deliver({ filter, handler }, message.topic, message.payload, true);
        }
      }
    });
    return () => {
      active = false;
      remove();
    };
  }

  /** @throws UnavailableError `BROKER_STOPPED`; InvalidInputError `TOPIC_INVALID`, `PAYLOAD_TOO_LARGE`, `RETAINED_FULL` */
  publish(
    topic: string,
    payload: Uint8Array | string,
    options: { readonly retain?: boolean; readonly qos?: 0 | 1 } = {},
  ): void {
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
    const { retain = false, qos = 0 } = options;
    if (retain && !this.#retained.set(topic, bytes, qos)) {
      throw new InvalidInputError(
        'RETAINED_FULL',
        'the MQTT broker holds as many retained messages as it may',
      );
    }
    running.aedes.publish({ cmd: 'publish', topic, payload: bytes, retain, qos, dup: false }, (error) => {
      if (error) this.#logger.debug({ topic, error: error.message }, 'message was not passed on');
    });
    this.#local.dispatch(topic, bytes);
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
      messagesIn: this.#messagesIn,
      bytesIn: this.#bytesIn,
      retained: this.#retained.size,
      sessions: this.#running?.sessions.count ?? 0,
      dropped: this.#running?.sessions.dropped ?? 0,
      offences: this.#offences.counts,
    };
  }

  /** A message that passed the gate. @returns false when it asks to be retained and there is no room */
  #accept(packet: PublishPacket): boolean {
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    if (packet.retain && !this.#retained.set(packet.topic, payload, packet.qos)) return false;
    this.#messagesIn++;
    this.#bytesIn += payload.length;
    this.#local.dispatch(packet.topic, payload);
    return true;
  }

  #serve(socket: Socket, aedes: Aedes, gate: ClientGate): void {
    const address = socket.remoteAddress ?? 'unknown';
    const admitted = this.#admission.enter(address);
    if (admitted !== 'admitted') {
      socket.destroy();
      const why =
        admitted === 'CONNECT_RATE' ? 'it connects too often' : 'there are as many connections as allowed';
      this.#offences.note(admitted, address, `connection from ${address} refused: ${why}`);
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#admission.leave();
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    gate.arrived(aedes.handle(socket), address);
    this.#guard(socket, address);
  }

  /** Sees each chunk before the parser does: "data" is emitted by the very `read` the parser calls. */
  #guard(socket: Socket, address: string): void {
    const maxBytes = this.#config.limits.payloadBytes + PACKET_OVERHEAD_BYTES;
    const guard = new PacketGuard({ maxBytes });
    const scan = (chunk: Buffer) => {
      const size = guard.scan(chunk);
      if (size === undefined) return;
      socket.off('data', scan);
      socket.destroy();
      if (size < 0)
        this.#offences.note('MALFORMED', address, `client at ${address} sent no MQTT and was disconnected`);
      else {
        const message = `client at ${address} announced ${size} bytes, more than ${maxBytes}, and was disconnected`;
        this.#offences.note('PAYLOAD_TOO_LARGE', address, message);
      }
    };
    socket.on('data', scan);
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

interface Running {
  readonly aedes: Aedes;
  readonly server: Server;
  readonly sessions: BoundedSessions;
  readonly address: string;
  readonly stopReloading: () => void;
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
