import type { Clock, Logger } from '@millwright/protocol';
import type { Aedes, AedesOptions, Client, ConnectPacket, PublishPacket } from 'aedes';
import { type Access, ANONYMOUS, accessOf, mayPublish, maySubscribe } from './access.ts';
import type { BrokerLimits } from './config.ts';
import type { BrokerCredentials } from './credentials.ts';
import type { Offence, OffenceLog } from './offences.ts';
import { PublishThrottle } from './publish-throttle.ts';
import { isTopicName } from './topic-filter.ts';
import { PasswordVerifier } from './verifier.ts';

/** CONNACK return codes. @see MQTT 3.1.1 §3.2.2.3 */
const REFUSED = { version: 1, identifier: 2, unavailable: 3, credential: 4, notAuthorized: 5 } as const;

const MAX_CLIENT_ID_LENGTH = 256;

type Hooks = Required<
  Pick<AedesOptions, 'preConnect' | 'authenticate' | 'authorizePublish' | 'authorizeSubscribe' | 'published'>
>;
type Will = NonNullable<ConnectPacket['will']>;

export interface ClientGateDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly credentials: BrokerCredentials;
  readonly offences: OffenceLog;
  /** Takes a message that passed. @returns false when it asks to be retained and cannot be */
  readonly accept: (packet: PublishPacket, client: string) => boolean;
  /**
   * Brings a message to the disk that must outlive this process before its publisher is told that it is safe.
   * @returns undefined when nothing of it must; else resolves to what takes it back
   */
  readonly keep: (packet: PublishPacket) => Promise<(() => void) | undefined> | undefined;
}

export type ClientGateConfig = BrokerLimits & { readonly dev: boolean };

interface ClientState {
  readonly address: string;
  access: Access | undefined;
  will: Will | undefined;
  /** Granted, and not given up since. */
  readonly filters: Set<string>;
  readonly throttle: PublishThrottle;
  /** The last message that waits for the disk: those after it wait for it, to stay in order. */
  tail: Promise<void> | undefined;
}

/** Everything that is asked before a client may connect, publish or subscribe. */
export class ClientGate {
  readonly #credentials: BrokerCredentials;
  readonly #offences: OffenceLog;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #accept: ClientGateDeps['accept'];
  readonly #keep: ClientGateDeps['keep'];
  readonly #config: ClientGateConfig;
  readonly #verifier = new PasswordVerifier();
  readonly #states = new WeakMap<Client, ClientState>();
  readonly #online = new Map<string, Client>();
  /** Who owns a remembered session. */
  #sessionOwner: (clientId: string) => { readonly username: string | undefined } | undefined = () =>
    undefined;

  constructor(deps: ClientGateDeps, config: ClientGateConfig) {
    this.#credentials = deps.credentials;
    this.#offences = deps.offences;
    this.#logger = deps.logger;
    this.#clock = deps.clock;
    this.#accept = deps.accept;
    this.#keep = deps.keep;
    this.#config = config;
  }

  readonly hooks: Hooks = {
    preConnect: (client, packet, callback) => {
      const state = this.#states.get(client);
      if (state === undefined || packet.clientId.length > MAX_CLIENT_ID_LENGTH) {
        return callback(
          new Error(`client identifier is longer than ${MAX_CLIENT_ID_LENGTH} characters`),
          false,
        );
      }
      state.will = packet.will;
      callback(null, true);
    },
    authenticate: (client, username, password, done) => {
      this.#authenticate(client, username, password).then(
        (refusal) => (refusal === undefined ? done(null, true) : done(refused(refusal), false)),
        (error: unknown) => {
          this.#logger.error({ error: String(error) }, 'credential not checked');
          done(refused(REFUSED.unavailable), false);
        },
      );
    },
    authorizePublish: (client, packet, callback) => {
      const state = client === null ? undefined : this.#states.get(client);
      if (client === null || state?.access === undefined) return callback(new DeniedError());
      const offence = this.#publishOffence(state.access, packet);
      if (offence !== undefined) {
        this.#note(offence[0], state, `${offence[1]} and was disconnected`);
        return callback(new DeniedError());
      }
      // A QoS 2 message may come twice; the "published" hook is called once.
      const go = () => {
        const denied = packet.qos === 2 ? null : this.#take(client, state, packet);
        if (denied === null && packet.qos > 0 && !client.closed)
          this.#settle(client, state, packet, callback);
        else callback(denied);
      };
      if (client.closed) go();
      else state.throttle.pass(packet.payload.length, go);
    },
    authorizeSubscribe: (client, subscription, callback) => {
      const state = this.#states.get(client);
      const { topic } = subscription;
      if (state?.access === undefined) return callback(new DeniedError());
      if (this.#isLong(topic)) {
        this.#note('TOPIC_TOO_LONG', state, `subscribed to a topic of ${topic.length} characters`);
        return callback(null, null);
      }
      if (!maySubscribe(state.access, topic)) {
        this.#note('SUBSCRIBE_DENIED', state, `may not subscribe to "${topic}"`);
        return callback(null, null);
      }
      if (state.filters.size >= this.#config.subscriptionsPerClient && !state.filters.has(topic)) {
        this.#note(
          'SUBSCRIPTIONS_FULL',
          state,
          `has ${state.filters.size} subscriptions, as many as allowed`,
        );
        return callback(null, null);
      }
      state.filters.add(topic);
      callback(null, subscription);
    },
    published: (packet, client, callback) => {
      const state = packet.qos === 2 && client ? this.#states.get(client) : undefined;
      callback(state === undefined || client === null ? null : this.#take(client, state, packet));
    },
  };

  /** Before anything else of a connection. */
  arrived(client: Client, address: string): void {
    const { publishesPerSecond, bytesPerSecond, floodSeconds } = this.#config;
    const throttle = new PublishThrottle(
      { clock: this.#clock, onFlood: () => this.#flooded(client) },
      { messagesPerSecond: publishesPerSecond, bytesPerSecond, floodMs: floodSeconds * 1000 },
    );
    this.#states.set(client, {
      address,
      access: undefined,
      will: undefined,
      filters: new Set(),
      throttle,
      tail: undefined,
    });
  }

  /** A client that does not read what it is owed. */
  slow(client: Client): void {
    const state = this.#states.get(client);
    if (state === undefined || client.closed) return;
    this.#note('SLOW_READER', state, 'does not read what it subscribed to and was disconnected');
    client.conn.destroy();
  }

  watch(
    aedes: Aedes,
    sessionOwner: (clientId: string) => { readonly username: string | undefined } | undefined,
  ): void {
    this.#sessionOwner = sessionOwner;
    aedes.on('client', (client) => this.#online.set(client.id, client));
    aedes.on('clientDisconnect', (client) => {
      if (this.#online.get(client.id) === client) this.#online.delete(client.id);
      this.#states.get(client)?.throttle.close();
    });
    aedes.on('unsubscribe', (filters, client) => {
      for (const filter of filters) this.#states.get(client)?.filters.delete(filter);
    });
    aedes.on('clientError', (client, error) => this.#failed(client, error));
    aedes.on('connectionError', (client, error) => this.#failed(client, error));
  }

  isOnline(clientId: string): boolean {
    return this.#online.has(clientId);
  }

  usernameOf(client: Client): string | undefined {
    return this.#states.get(client)?.access?.username;
  }

  granted(client: Client, filter: string): boolean {
    return this.#states.get(client)?.filters.has(filter) ?? false;
  }

  /** Disconnects whoever came with this credential. */
  expel(username: string): void {
    for (const client of [...this.#online.values()]) {
      if (this.usernameOf(client) !== username) continue;
      this.#logger.info({ client: username }, 'credential changed or removed; client disconnected');
      client.close();
    }
  }

  /** @returns the CONNACK return code of a refusal */
  async #authenticate(
    client: Client,
    username: string | undefined,
    password: Buffer | undefined,
  ): Promise<number | undefined> {
    const state = this.#states.get(client);
    if (state === undefined) return REFUSED.unavailable;
    if (username === undefined && this.#config.dev) state.access = ANONYMOUS;
    else {
      const credential = username === undefined ? undefined : this.#credentials.get(username);
      const who = username === undefined ? 'without a username' : `as "${username.slice(0, 64)}"`;
      const verdict = await this.#verifier.verify(credential, password ?? Buffer.alloc(0));
      if (verdict === 'busy') {
        this.#note('SERVER_BUSY', state, 'was asked to come back later: too many are signing in');
        return REFUSED.unavailable;
      }
      if (verdict === 'wrong' || credential === undefined) {
        this.#note('BAD_CREDENTIAL', state, `${who} was refused: unknown username or wrong password`);
        return username === undefined ? REFUSED.notAuthorized : REFUSED.credential;
      }
      // It may have been removed while the password was checked.
      if (this.#credentials.get(credential.username) !== credential) return REFUSED.credential;
      state.access = accessOf(credential);
    }
    return this.#refusalOf(client, state, state.access);
  }

  #refusalOf(client: Client, state: ClientState, access: Access): number | undefined {
    const other = this.#online.get(client.id);
    const owner = other === undefined ? this.#sessionOwner(client.id) : { username: this.usernameOf(other) };
    if (owner !== undefined && owner.username !== access.username) {
      this.#note('CLIENT_ID_TAKEN', state, `was refused: client identifier "${client.id}" is another user's`);
      return REFUSED.identifier;
    }
    const offence =
      state.will && this.#publishOffence(access, { topic: state.will.topic, payload: state.will.payload });
    if (offence !== undefined) {
      this.#note('WILL_DENIED', state, `was refused: its last will ${offence[1]}`);
      return REFUSED.notAuthorized;
    }
    return undefined;
  }

  #publishOffence(
    access: Access,
    { topic, payload }: Pick<PublishPacket, 'topic' | 'payload'>,
  ): readonly [Offence, string] | undefined {
    const bytes = Buffer.byteLength(payload);
    if (bytes > this.#config.payloadBytes) {
      return [
        'PAYLOAD_TOO_LARGE',
        `sent ${bytes} bytes on "${topic}", more than ${this.#config.payloadBytes},`,
      ];
    }
    if (!isTopicName(topic)) return ['MALFORMED', 'published on a topic that is none'];
    if (this.#isLong(topic)) return ['TOPIC_TOO_LONG', `published on a topic of ${topic.length} characters`];
    if (!mayPublish(access, topic)) return ['PUBLISH_DENIED', `may not publish on "${topic}"`];
    return undefined;
  }

  #settle(client: Client, state: ClientState, packet: PublishPacket, done: (error: null) => void): void {
    const kept = this.#keep(packet);
    const before = state.tail;
    if (kept === undefined && before === undefined) {
      done(null);
      return;
    }
    const mine = Promise.all([kept, before]).then(([takeBack]) => {
      // Its publisher will not be told, and sends it again.
      if (client.closed) takeBack?.();
      if (state.tail === mine) state.tail = undefined;
      done(null);
    });
    state.tail = mine;
  }

  #isLong(topic: string): boolean {
    const { topicBytes, topicLevels } = this.#config;
    return Buffer.byteLength(topic) > topicBytes || topic.split('/', topicLevels + 1).length > topicLevels;
  }

  #flooded(client: Client): void {
    const state = this.#states.get(client);
    if (state === undefined || client.closed) return;
    const { floodSeconds, publishesPerSecond, bytesPerSecond } = this.#config;
    const allowed = `${publishesPerSecond} messages and ${bytesPerSecond} bytes a second`;
    this.#note('FLOOD', state, `sent more than ${allowed} for ${floodSeconds} s and was disconnected`);
    client.close();
  }

  #take(client: Client, state: ClientState, packet: PublishPacket): DeniedError | null {
    if (this.#accept(packet, state.access?.username ?? client.id)) return null;
    this.#note('RETAINED_FULL', state, `may not retain "${packet.topic}": no room; it was disconnected`);
    return new DeniedError();
  }

  #failed(client: Client, error: Error & { readonly code?: string; readonly errorCode?: number }): void {
    const state = this.#states.get(client);
    if (state === undefined || error instanceof DeniedError) return;
    if (error.errorCode === REFUSED.version) {
      this.#note(
        'UNSUPPORTED_VERSION',
        state,
        'was refused: only MQTT 3.1 and 3.1.1 are spoken here, not MQTT 5',
      );
      return;
    }
    if (error.message === 'drain timeout') {
      this.#note('SLOW_READER', state, 'does not read what it subscribed to and was disconnected');
      return;
    }
    if (error.message.startsWith('maxInflightInbound')) {
      const { inflightPerClient } = this.#config;
      this.#note(
        'INFLIGHT_FULL',
        state,
        `left ${inflightPerClient} QoS 2 messages open and was disconnected`,
      );
      return;
    }
    const isSilence = /keep alive timeout|connect did not arrive|connection closed/.test(error.message);
    if (error.errorCode !== undefined || error.code !== undefined || isSilence) {
      this.#logger.debug({ client: whoIs(state), error: error.message }, 'connection lost');
      return;
    }
    this.#note('MALFORMED', state, `sent what is not MQTT (${error.message}) and was disconnected`);
  }

  #note(code: Offence, state: ClientState, what: string): void {
    this.#offences.note(code, whoIs(state), `client ${whoIs(state)} ${what}`);
  }
}

/** The client was already told off in the log. */
class DeniedError extends Error {}

function refused(returnCode: number): Error & { readonly returnCode: number } {
  return Object.assign(new DeniedError('refused'), { returnCode });
}

function whoIs(state: ClientState): string {
  return state.access?.username ?? state.address;
}
