import { type Clock, type Logger, UnavailableError } from '@millwright/protocol';
import { connect, ErrorWithReasonCode, type IClientOptions, type MqttClient } from 'mqtt';
import type { MqttLink } from '../driver.ts';
import { hasWildcard, topicMatches } from './topic.ts';

export { readTls } from './link-tls.ts';

export interface ClientLinkConfig {
  /** `mqtt://host:port` or `mqtts://host:port`. */
  readonly url: string;
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
  /** Published by the broker when this client vanishes without a farewell; retained. */
  readonly will?: { readonly topic: string; readonly payload: string };
  /** The broker keeps what this client is owed for so long while it is away. Needs a `clientId` that stays the same. */
  readonly sessionExpirySeconds?: number;
  /** What this client publishes does not come back to it; needs MQTT 5. */
  readonly noLocal?: boolean;
  /** Handlers are told of a message sent right now that it is retained, too; needs MQTT 5. */
  readonly retainAsPublished?: boolean;
  /** For `mqtts:`; PEM. */
  readonly tls?: LinkTls;
}

export interface LinkTls {
  /** Whom to trust; absent: the authorities Node trusts. */
  readonly ca?: string | Buffer;
  /** This client's own certificate and its key. */
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** Key agreements to offer, such as `X25519MLKEM768` alone. */
  readonly groups?: readonly string[];
}

export interface ClientLinkDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** 0 ≤ n < 1; spreads the reconnects of many gateways. */
  readonly random?: () => number;
}

type Handler = (topic: string, payload: Uint8Array, retained: boolean) => void;

interface Subscription {
  readonly filter: string;
  readonly handlers: Set<Handler>;
}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
const CONNECT_TIMEOUT_MS = 10_000;
const FAREWELL_MS = 1_000;
/** Asked of MQTT 5 brokers, which then keep larger packets to themselves. */
const MAX_PACKET_BYTES = 256 * 1024;
const UNSUPPORTED_VERSION = [1, 132];

/**
 * A client of somebody else's broker. Speaks MQTT 5, or 3.1.1 where the broker refuses 5.
 *
 * Every connection is a fresh client, with a clean session unless told otherwise: what was in flight when the line
 * broke is reported to its caller as failed and is never sent again behind his back.
 */
export class MqttClientLink implements MqttLink {
  readonly #config: ClientLinkConfig;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #random: () => number;
  readonly #host: string;
  readonly #exact = new Map<string, Subscription>();
  readonly #wild = new Map<string, Subscription>();
  readonly #listeners = new Set<(connected: boolean) => void>();
  #client: MqttClient | undefined;
  #connected = false;
  #running = false;
  #version: 4 | 5 = 5;
  /** The other version was tried at once, without waiting. */
  #otherTried = false;
  #failures = 0;
  #reported = false;
  #cancelRetry: (() => void) | undefined;

  constructor(deps: ClientLinkDeps, config: ClientLinkConfig) {
    this.#config = config;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#random = deps.random ?? Math.random;
    this.#host = new URL(config.url).host;
  }

  /** Returns at once; `onState` tells when the broker has been reached. */
  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    this.#connect();
  }

  async stop(): Promise<void> {
    if (!this.#running) return;
    this.#running = false;
    this.#cancelRetry?.();
    const client = this.#client;
    this.#client = undefined;
    this.#setConnected(false);
    if (client !== undefined) await farewell(client);
  }

  subscribe(filter: string, handler: Handler): () => void {
    const table = hasWildcard(filter) ? this.#wild : this.#exact;
    let subscription = table.get(filter);
    if (subscription === undefined) {
      subscription = { filter, handlers: new Set() };
      table.set(filter, subscription);
    }
    subscription.handlers.add(handler);
    // Asked again for a second handler too: the broker answers with the retained messages it has not seen.
    if (this.#connected) this.#request([filter]);
    return () => {
      const current = table.get(filter);
      if (current === undefined || !current.handlers.delete(handler) || current.handlers.size > 0) return;
      table.delete(filter);
      if (this.#connected) this.#client?.unsubscribe(filter, () => undefined);
    };
  }

  /** @throws UnavailableError `MQTT_DISCONNECTED`; with QoS 1 also when the line broke before the broker acknowledged */
  async publish(
    topic: string,
    payload: Uint8Array | string,
    options: { readonly retain?: boolean; readonly qos?: 0 | 1 } = {},
  ): Promise<void> {
    const client = this.#client;
    if (client === undefined || !this.#connected) throw this.#offline();
    const body = typeof payload === 'string' ? payload : Buffer.from(payload);
    try {
      await client.publishAsync(topic, body, { qos: options.qos ?? 0, retain: options.retain ?? false });
    } catch (cause) {
      throw this.#offline(cause);
    }
  }

  onState(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#connected);
    return () => this.#listeners.delete(listener);
  }

  #connect(): void {
    const { username, password, will, clientId, url, sessionExpirySeconds, tls } = this.#config;
    const version = this.#version;
    const options: IClientOptions = {
      clientId,
      protocolVersion: version,
      clean: sessionExpirySeconds === undefined,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      keepalive: 30,
      resubscribe: false,
      queueQoSZero: false,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(will === undefined
        ? {}
        : { will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1, retain: true } }),
      ...(version === 5
        ? {
            properties: {
              maximumPacketSize: MAX_PACKET_BYTES,
              ...(sessionExpirySeconds === undefined ? {} : { sessionExpiryInterval: sessionExpirySeconds }),
            },
          }
        : {}),
      ...(tls === undefined ? {} : tlsOptions(tls)),
    };
    const client = connect(url, options);
    this.#client = client;
    let accepted = false;
    let cause: Error | undefined;
    client.on('connect', () => {
      if (client !== this.#client) return;
      accepted = true;
      this.#onConnected();
    });
    client.on('message', (topic, payload, { retain }) => {
      if (client === this.#client) this.#dispatch(topic, payload, retain);
    });
    client.on('error', (error) => {
      cause = error;
    });
    client.once('close', () => {
      if (client !== this.#client) return;
      this.#client = undefined;
      client.end(true);
      this.#onClosed(accepted, cause);
    });
  }

  #onConnected(): void {
    this.#failures = 0;
    this.#otherTried = false;
    if (this.#reported) this.#logger.info({ broker: this.#host }, 'broker is back');
    this.#reported = false;
    this.#request([...this.#exact.keys(), ...this.#wild.keys()]);
    this.#setConnected(true);
  }

  #onClosed(accepted: boolean, cause: Error | undefined): void {
    const versionRefused =
      cause instanceof ErrorWithReasonCode
        ? UNSUPPORTED_VERSION.includes(cause.code)
        : // Some brokers hang up on MQTT 5 without a word.
          cause === undefined && this.#version === 5;
    if (!accepted && versionRefused && !this.#otherTried && this.#running) {
      this.#version = this.#version === 5 ? 4 : 5;
      this.#otherTried = true;
      this.#connect();
      return;
    }
    this.#otherTried = false;
    if (!this.#reported) {
      this.#reported = true;
      const why = cause?.message || 'the connection was closed';
      this.#logger.warn({ broker: this.#host, why }, 'broker cannot be reached; trying on');
    }
    this.#setConnected(false);
    if (!this.#running) return;
    const ceiling = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures, 16));
    this.#failures += 1;
    this.#cancelRetry = this.#clock.after(ceiling * (0.5 + this.#random() / 2), () => this.#connect());
  }

  #request(filters: readonly string[]): void {
    if (filters.length === 0) return;
    const { noLocal = false, retainAsPublished = false } = this.#config;
    const options = {
      qos: 1 as const,
      ...(this.#version === 5 ? { nl: noLocal, rap: retainAsPublished } : {}),
    };
    this.#client?.subscribe([...filters], options, (error, granted) => {
      const refused = granted?.filter((grant) => grant.qos >= 128).map((grant) => grant.topic) ?? [];
      if (error === null && refused.length === 0) return;
      if (!this.#connected) return;
      const topics = refused.length > 0 ? refused : filters;
      this.#logger.warn({ broker: this.#host, topics, why: error?.message }, 'broker refuses a subscription');
    });
  }

  #dispatch(topic: string, payload: Uint8Array, retained: boolean): void {
    const exact = this.#exact.get(topic);
    if (exact !== undefined) for (const handler of exact.handlers) handler(topic, payload, retained);
    for (const { filter, handlers } of this.#wild.values()) {
      if (topicMatches(filter, topic)) for (const handler of handlers) handler(topic, payload, retained);
    }
  }

  #setConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    for (const listener of this.#listeners) listener(connected);
  }

  #offline(cause?: unknown): UnavailableError {
    return new UnavailableError('MQTT_DISCONNECTED', `not connected to the broker at ${this.#host}`, {
      cause,
    });
  }
}

function tlsOptions({ ca, cert, key, groups }: LinkTls): IClientOptions {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(groups === undefined ? {} : { ecdhCurve: groups.join(':') }),
  };
}

/** Says DISCONNECT, so that the broker keeps the last will to itself, and waits for the socket to be gone. */
function farewell(client: MqttClient): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => client.stream.destroy(), FAREWELL_MS);
    const pending = Object.keys(client.outgoing).length > 0;
    client.end(pending || !client.connected, () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
