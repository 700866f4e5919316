import { Readable } from 'node:stream';
import { LimitError } from '@millwright/protocol';
import type { AedesPublishPacket, Client, PublishPacket, PubrelPacket, Subscription } from 'aedes';
import MemoryPersistence from 'aedes-persistence/asyncPersistence.js';
import type { DurableRecords } from './durable-records.ts';
import type { RetainedMessage } from './retained.ts';
import { queueRecord, readQueued, readSession, sessionRecord } from './session-records.ts';

type StoredPacket = AedesPublishPacket | PubrelPacket;

const SESSION = 'session';
const QUEUED = 'queued';
/** Messages from before this process were numbered by another one. */
const RESTORED = 'restored';

export interface SessionsDeps {
  readonly records: DurableRecords;
  readonly retained: (filter: string) => Iterable<RetainedMessage>;
  /** Whether the client was granted this filter. */
  readonly granted: (client: Client, filter: string) => boolean;
  readonly usernameOf: (client: Client) => string | undefined;
  /** Whether there is such a user still; a session of another is not taken over from before. */
  readonly isKnown: (username: string | undefined) => boolean;
  readonly isOnline: (clientId: string) => boolean;
}

export interface SessionsConfig {
  readonly maxSessions: number;
  readonly maxQueuedPerSession: number;
  readonly maxQueuedBytes: number;
}

interface Queued {
  readonly no: number;
  readonly bytes: number;
}

interface Session {
  readonly no: number;
  readonly username: string | undefined;
  readonly filters: Map<string, 0 | 1 | 2>;
  /** By the broker's own number of the message. */
  readonly queue: Map<string, Queued>;
  /** The same messages by the identifier their client acknowledges. */
  readonly sent: Map<number, string>;
}

/**
 * The sessions of clients that asked to be remembered ("clean session" off), with their queues of unacknowledged
 * messages: aedes' own in-memory store with bounds, kept on the disk, and without the filters a client may not
 * subscribe to (aedes stores a whole SUBSCRIBE when any one of its filters was granted).
 */
export class BoundedSessions extends MemoryPersistence {
  readonly #deps: SessionsDeps;
  readonly #config: SessionsConfig;
  readonly #sessions = new Map<string, Session>();
  /** Messages that are on the disk before their publisher is told so, by payload: aedes copies the rest. */
  readonly #reserved = new WeakMap<object, Map<string, Queued>>();
  #nextSession = 1;
  #nextQueued = 1;
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

  /** Takes over the sessions that an earlier process kept. */
  async load(): Promise<void> {
    const { records, isKnown } = this.#deps;
    const idOf = new Map<number, string>();
    for (const [no, record] of await records.load(SESSION)) {
      this.#nextSession = Math.max(this.#nextSession, no + 1);
      const found = readSession(record);
      if (
        found === undefined ||
        !isKnown(found.username) ||
        this.#sessions.size >= this.#config.maxSessions
      ) {
        records.erase(SESSION, no);
        continue;
      }
      const { clientId, username, filters } = found;
      const subscriptions = filters.map(([topic, qos]) => ({ topic, qos }));
      this.#sessions.set(clientId, newSession(no, username, filters));
      idOf.set(no, clientId);
      await super.addSubscriptions({ id: clientId }, subscriptions);
    }
    const queued = [...(await records.load(QUEUED))].sort(([a], [b]) => a - b);
    for (const [no, record] of queued) {
      this.#nextQueued = Math.max(this.#nextQueued, no + 1);
      const found = readQueued(record);
      const clientId = found === undefined ? undefined : idOf.get(found.session);
      const session = clientId === undefined ? undefined : this.#sessions.get(clientId);
      const packet = found && { ...found.packet, brokerId: RESTORED, brokerCounter: no };
      if (
        clientId === undefined ||
        session === undefined ||
        packet === undefined ||
        !this.#fits(session, packet)
      ) {
        records.erase(QUEUED, no);
        continue;
      }
      this.#hold(session, packet, { no, bytes: sizeOf(packet) });
      await super.outgoingEnqueue({ clientId }, packet);
    }
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
    let session = this.#sessions.get(client.id);
    if (session === undefined) {
      if (this.#sessions.size >= this.#config.maxSessions && !(await this.#forgetOldest())) {
        throw new LimitError('SESSIONS_FULL', `${this.#config.maxSessions} sessions are kept already`);
      }
      session = newSession(this.#nextSession++, this.#deps.usernameOf(client), []);
      this.#sessions.set(client.id, session);
    }
    for (const { topic, qos } of allowed) session.filters.set(topic, qos);
    this.#save(client.id, session);
    await super.addSubscriptions(client, allowed);
    await this.#deps.records.committed();
  }

  override async removeSubscriptions(client: Pick<Client, 'id'>, topics: string[]): Promise<void> {
    await super.removeSubscriptions(client, topics);
    const session = this.#sessions.get(client.id);
    if (session === undefined) return;
    for (const topic of topics) session.filters.delete(topic);
    this.#save(client.id, session);
  }

  override async cleanSubscriptions(client: Pick<Client, 'id'>): Promise<void> {
    await super.cleanSubscriptions(client);
    const session = this.#sessions.get(client.id);
    if (session === undefined) return;
    this.#sessions.delete(client.id);
    this.#deps.records.erase(SESSION, session.no);
    for (const queued of session.queue.values()) this.#release(queued);
    const packets: StoredPacket[] = [];
    for await (const packet of this.outgoingStream({ id: client.id })) packets.push(packet);
    for (const packet of packets) await super.outgoingClearMessageId({ id: client.id }, packet);
  }

  /**
   * Puts a message on the disk for everybody absent who is owed it, before its publisher is told that it is safe.
   * @returns undefined when it is owed to nobody
   */
  async reserve(packet: PublishPacket): Promise<(() => void) | undefined> {
    if (this.#sessions.size === 0) return undefined;
    const places = new Map<string, Queued>();
    const owed = await this.subscriptionsByTopic(packet.topic);
    for (const { clientId } of owed) {
      const session = this.#sessions.get(clientId);
      if (session === undefined || places.has(clientId)) continue;
      const queued = this.#place(session, packet);
      if (queued !== undefined) places.set(clientId, queued);
    }
    const { payload } = packet;
    if (owed.length === 0 || typeof payload === 'string') return undefined;
    this.#reserved.set(payload, places);
    return () => {
      if (this.#reserved.delete(payload)) for (const queued of places.values()) this.#release(queued);
    };
  }

  override async outgoingEnqueueCombi(
    subscriptions: readonly { readonly clientId: string }[],
    packet: StoredPacket,
  ): Promise<void> {
    const payload =
      packet.cmd === 'publish' && typeof packet.payload !== 'string' ? packet.payload : undefined;
    const reserved = payload && this.#reserved.get(payload);
    if (payload !== undefined) this.#reserved.delete(payload);
    let isNew = false;
    for (const { clientId } of subscriptions) {
      const session = this.#sessions.get(clientId);
      if (session === undefined || packet.cmd !== 'publish') continue;
      const known = reserved?.get(clientId);
      reserved?.delete(clientId);
      const queued = known ?? (reserved === undefined ? this.#place(session, packet) : undefined);
      if (queued === undefined) continue;
      isNew ||= known === undefined;
      this.#hold(session, packet, queued, { isCounted: true });
      await super.outgoingEnqueue({ clientId }, packet);
    }
    for (const left of reserved?.values() ?? []) this.#release(left);
    if (isNew) await this.#deps.records.committed();
  }

  override async outgoingEnqueue(
    subscription: { readonly clientId: string },
    packet: StoredPacket,
  ): Promise<void> {
    await this.outgoingEnqueueCombi([subscription], packet);
  }

  override async outgoingUpdate(client: Pick<Client, 'id'>, packet: StoredPacket): Promise<void> {
    await super.outgoingUpdate(client, packet);
    const session = this.#sessions.get(client.id);
    const key = keyOf(packet);
    if (packet.messageId !== undefined && session?.queue.has(key) === true)
      session.sent.set(packet.messageId, key);
  }

  override async outgoingClearMessageId(
    client: Pick<Client, 'id'>,
    packet: StoredPacket,
  ): Promise<StoredPacket | undefined> {
    // aedes says so of a duplicate it did not send; it would clear any message that was not sent yet.
    if (packet.messageId === undefined) return undefined;
    const cleared = await super.outgoingClearMessageId(client, packet);
    const session = this.#sessions.get(client.id);
    const key = session?.sent.get(packet.messageId);
    if (session === undefined || key === undefined || cleared === undefined) return cleared;
    session.sent.delete(packet.messageId);
    const queued = session.queue.get(key);
    if (queued !== undefined && session.queue.delete(key)) this.#release(queued);
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

  #save(clientId: string, { no, username, filters }: Session): void {
    this.#deps.records.write(SESSION, no, sessionRecord({ clientId, username, filters: [...filters] }));
  }

  #fits(session: Session, packet: PublishPacket): boolean {
    const { maxQueuedPerSession, maxQueuedBytes } = this.#config;
    return session.queue.size < maxQueuedPerSession && this.#bytes + sizeOf(packet) <= maxQueuedBytes;
  }

  /** Room in a queue, and on the disk. */
  #place(session: Session, packet: PublishPacket): Queued | undefined {
    if (!this.#fits(session, packet)) {
      this.dropped++;
      return undefined;
    }
    const queued = { no: this.#nextQueued++, bytes: sizeOf(packet) };
    this.#bytes += queued.bytes;
    this.#deps.records.write(QUEUED, queued.no, queueRecord(session.no, packet));
    return queued;
  }

  #hold(
    session: Session,
    packet: StoredPacket,
    queued: Queued,
    options: { readonly isCounted?: boolean } = {},
  ): void {
    if (options.isCounted !== true) this.#bytes += queued.bytes;
    session.queue.set(keyOf(packet), queued);
  }

  #release(queued: Queued): void {
    this.#bytes -= queued.bytes;
    this.#deps.records.erase(QUEUED, queued.no);
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
}

function newSession(
  no: number,
  username: string | undefined,
  filters: readonly (readonly [string, 0 | 1 | 2])[],
): Session {
  return { no, username, filters: new Map(filters), queue: new Map(), sent: new Map() };
}

function keyOf(packet: StoredPacket): string {
  return 'brokerCounter' in packet ? `${packet.brokerId}:${packet.brokerCounter}` : '';
}

function sizeOf(packet: PublishPacket): number {
  return 64 + packet.topic.length + Buffer.byteLength(packet.payload);
}
