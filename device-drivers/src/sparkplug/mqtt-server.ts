import { UnavailableError } from '@millwright/protocol';
import { connect, ErrorWithReasonCode, type IClientOptions, type MqttClient } from 'mqtt';
import type { Session, SessionEvents, SparkplugServer, Will } from './session.ts';

export interface MqttServerConfig {
  /** `mqtt://host:port` or `mqtts://host:port`. */
  readonly url: string;
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Largest message taken; an MQTT 5 broker keeps larger ones to itself. */
  readonly maxPacketBytes?: number;
}

const CONNECT_TIMEOUT_MS = 10_000;
const FAREWELL_MS = 1000;
const KEEP_ALIVE_S = 30;
const MAX_PACKET_BYTES = 4 * 1024 * 1024;
const VERSION_REFUSED = [1, 132];
const DISCONNECT_WITH_WILL = 4;

/** A broker reached over the network. Speaks MQTT 5, or 3.1.1 where the broker refuses 5. */
export class MqttServer implements SparkplugServer {
  readonly name: string;
  readonly #config: MqttServerConfig;
  #version: 4 | 5 = 5;
  /** The other version than at first is spoken. */
  #isOther = false;

  constructor(config: MqttServerConfig) {
    this.#config = config;
    this.name = new URL(config.url).host;
  }

  open(will: Will, events: SessionEvents, { signal }: { readonly signal: AbortSignal }): Promise<Session> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const client = connect(this.#config.url, this.#options(will));
      let session: MqttSession | undefined;
      let cause: Error | undefined;
      const abort = () => {
        client.end(true);
        reject(signal.reason);
      };
      signal.addEventListener('abort', abort, { once: true });
      client.on('connect', () => {
        signal.removeEventListener('abort', abort);
        session = new MqttSession(client, this.#version, this.name);
        resolve(session);
      });
      client.on('message', (topic, payload, packet) => events.onMessage(topic, payload, packet.retain));
      client.on('error', (error) => {
        cause = error;
      });
      client.once('close', () => {
        signal.removeEventListener('abort', abort);
        client.end(true);
        const why = cause?.message || 'the connection was closed';
        if (session === undefined) {
          const code = this.#changesVersion(cause) ? 'MQTT_VERSION' : 'MQTT_UNREACHABLE';
          reject(new UnavailableError(code, `${this.name}: ${why}`, { cause }));
        } else if (!session.isEnding) events.onClosed(why);
      });
    });
  }

  /** Each version is tried once before both count as refused. */
  #changesVersion(cause: Error | undefined): boolean {
    const isRefused =
      cause instanceof ErrorWithReasonCode
        ? VERSION_REFUSED.includes(cause.code)
        : // Some brokers hang up on MQTT 5 without a word.
          cause === undefined && this.#version === 5;
    if (!isRefused) return false;
    this.#version = this.#version === 5 ? 4 : 5;
    this.#isOther = !this.#isOther;
    return this.#isOther;
  }

  #options(will: Will): IClientOptions {
    const { clientId, username, password, maxPacketBytes = MAX_PACKET_BYTES } = this.#config;
    return {
      clientId,
      protocolVersion: this.#version,
      clean: true,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      keepalive: KEEP_ALIVE_S,
      resubscribe: false,
      queueQoSZero: false,
      will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1, retain: will.retain },
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(this.#version === 5
        ? { properties: { sessionExpiryInterval: 0, maximumPacketSize: maxPacketBytes } }
        : {}),
    };
  }
}

class MqttSession implements Session {
  isEnding = false;
  readonly #client: MqttClient;
  readonly #version: 4 | 5;
  readonly #name: string;

  constructor(client: MqttClient, version: 4 | 5, name: string) {
    this.#client = client;
    this.#version = version;
    this.#name = name;
  }

  async subscribe(filters: readonly string[]): Promise<void> {
    const granted = await this.#sent(this.#client.subscribeAsync([...filters], { qos: 1 }));
    const refused = granted.filter(({ qos }) => qos >= 128).map(({ topic }) => topic);
    if (refused.length === 0) return;
    const message = `${this.#name} refuses the subscription to ${refused.join(', ')}`;
    throw new UnavailableError('MQTT_SUBSCRIPTION_REFUSED', message, {
      hint: 'let this client read and write spBv1.0/# on that broker',
    });
  }

  async publish(
    topic: string,
    payload: Uint8Array | string,
    options: { readonly qos: 0 | 1; readonly retain: boolean },
  ): Promise<void> {
    if (this.isEnding || !this.#client.connected) throw this.#gone();
    const body = typeof payload === 'string' ? payload : Buffer.from(payload);
    await this.#sent(this.#client.publishAsync(topic, body, options));
  }

  async end(options: { readonly withWill: boolean }): Promise<void> {
    if (this.isEnding) return;
    this.isEnding = true;
    const client = this.#client;
    const withWill = this.#version === 5 && options.withWill;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => client.stream.destroy(), FAREWELL_MS);
      client.end(!client.connected, withWill ? { reasonCode: DISCONNECT_WITH_WILL } : {}, () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  async #sent<T>(sent: Promise<T>): Promise<T> {
    try {
      return await sent;
    } catch (cause) {
      throw this.#gone(cause);
    }
  }

  #gone(cause?: unknown): UnavailableError {
    return new UnavailableError('MQTT_DISCONNECTED', `not connected to the broker at ${this.#name}`, {
      cause,
    });
  }
}
