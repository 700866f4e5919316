import { Readable } from 'node:stream';
import { LimitError } from '@millwright/protocol';
import type { AedesPublishPacket, Client, PubrelPacket, Subscription } from 'aedes';
import MemoryPersistence from 'aedes-persistence/asyncPersistence.js';
import type { RetainedMessage } from './retained.ts';

type StoredPacket = AedesPublishPacket | PubrelPacket;

export interface SessionsDeps {
  readonly retained: (filter: string) => Iterable<RetainedMessage>;
  /** Whether the client was granted this filter. */
  readonly granted: (client: Client, filter: string) => boolean;
  readonly usernameOf: (client: Client) => string | undefined;
  readonly isOnline: (clientId: string) => boolean;
}

export interface SessionsConfig {
  readonly maxSessions: number;
  readonly maxQueuedPerSession: number;
  readonly maxQueuedBytes: number;
}

interface Session {
  readonly username: string | undefined;
  queued: number;
  bytes: number;
}

/**
 * The sessions of clients that asked to be remembered ("clean session" off), with their queues of unacknowledged
 * messages: aedes' own in-memory store with bounds, and without the filters a client may not subscribe to
 * (aedes stores a whole SUBSCRIBE when any one of its filters was granted).
 */
export class BoundedSessions extends MemoryPersistence {
  readonly #deps: SessionsDeps;
  readonly #config: SessionsConfig;
  readonly #sessions = new Map<string, Session>();
  #bytes = 0;

  /** Messages not queued because a queue was full. */
  dropped = 0;

  constructor(deps: SessionsDeps, config: SessionsConfig) {
    super();
    this.#deps = deps;
    this.#config = config;
  }

  get count(): number {
    return this.#sessions.size;
  }

  /** Retained messages are kept by whoever lets the message in, in the same step, so that nobody sees it early. */
  override async storeRetained(): Promise<void> {
    return undefined;
  }

  override createRetainedStreamCombi(filters: string[]): Readable {
    const retained = this.#deps.retained;
    return Readable.from(
      (function* () {
        for (const filter of filters) {
          for (const message of retained(filter)) yield { cmd: 'publish', retain: true, ...message };
        }
      })(),
    );
  }

  override async addSubscriptions(client: Client, subscriptions: Subscription[]): Promise<void> {
    const allowed = subscriptions.filter(({ topic }) => this.#deps.granted(client, topic));
    if (!this.#sessions.has(client.id)) {
      if (this.#sessions.size >= this.#config.maxSessions && !(await this.#forgetOldest())) {
        throw new LimitError('SESSIONS_FULL', `${this.#config.maxSessions} sessions are kept already`);
      }
      this.#sessions.set(client.id, { username: this.#deps.usernameOf(client), queued: 0, bytes: 0 });
    }
    await super.addSubscriptions(client, allowed);
  }

  override async cleanSubscriptions(client: Pick<Client, 'id'>): Promise<void> {
    await super.cleanSubscriptions(client);
    await this.#dropQueue(client.id);
    this.#sessions.delete(client.id);
  }

  override async outgoingEnqueueCombi(
    subscriptions: readonly { readonly clientId: string }[],
    packet: StoredPacket,
  ): Promise<void> {
    for (const subscription of subscriptions) await this.outgoingEnqueue(subscription, packet);
  }

  override async outgoingEnqueue(
    subscription: { readonly clientId: string },
    packet: StoredPacket,
  ): Promise<void> {
    const session = this.#sessions.get(subscription.clientId);
    if (session === undefined) return;
    const bytes = sizeOf(packet);
    if (
      session.queued >= this.#config.maxQueuedPerSession ||
      this.#bytes + bytes > this.#config.maxQueuedBytes
    ) {
      this.dropped++;
      return;
    }
    session.queued++;
    session.bytes += bytes;
    this.#bytes += bytes;
    await super.outgoingEnqueue(subscription, packet);
  }

  override async outgoingClearMessageId(
    client: Pick<Client, 'id'>,
    packet: StoredPacket,
  ): Promise<StoredPacket | undefined> {
    const cleared = await super.outgoingClearMessageId(client, packet);
    const session = this.#sessions.get(client.id);
    if (cleared !== undefined && session !== undefined) {
      const bytes = Math.min(session.bytes, sizeOf(cleared));
      session.queued = Math.max(0, session.queued - 1);
      session.bytes -= bytes;
      this.#bytes -= bytes;
    }
    return cleared;
  }

  ownerOf(clientId: string): { readonly username: string | undefined } | undefined {
    return this.#sessions.get(clientId);
  }

  /** Ends the sessions of a user who lost its credential. */
  async forgetAllOf(username: string): Promise<void> {
    for (const [clientId, session] of [...this.#sessions]) {
      if (session.username === username) await this.#forget(clientId);
    }
  }

  async #forget(clientId: string): Promise<void> {
    await this.cleanSubscriptions({ id: clientId });
    await this.cleanIncoming({ id: clientId });
  }

  async #forgetOldest(): Promise<boolean> {
    for (const clientId of this.#sessions.keys()) {
      if (this.#deps.isOnline(clientId)) continue;
      await this.#forget(clientId);
      return true;
    }
    return false;
  }

  async #dropQueue(clientId: string): Promise<void> {
    const queue: StoredPacket[] = [];
    for await (const packet of this.outgoingStream({ id: clientId })) queue.push(packet);
    for (const packet of queue) await this.outgoingClearMessageId({ id: clientId }, packet);
    const session = this.#sessions.get(clientId);
    if (session !== undefined) this.#bytes -= session.bytes;
  }
}

function sizeOf(packet: StoredPacket): number {
  if (packet.cmd !== 'publish') return 64;
  return 64 + packet.topic.length + Buffer.byteLength(packet.payload);
}
