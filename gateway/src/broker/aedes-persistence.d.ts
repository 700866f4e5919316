/** The package declares this file's class, but not under the path it is imported by. */
declare module 'aedes-persistence/asyncPersistence.js' {
  import type { Readable } from 'node:stream';
  import type { AedesPublishPacket, Client, PubrelPacket, Subscription } from 'aedes';

  type StoredPacket = AedesPublishPacket | PubrelPacket;

  export default class MemoryPersistence {
    storeRetained(packet: StoredPacket): Promise<void>;
    createRetainedStreamCombi(filters: string[]): Readable;
    addSubscriptions(client: Pick<Client, 'id'>, subscriptions: readonly Subscription[]): Promise<void>;
    cleanSubscriptions(client: Pick<Client, 'id'>): Promise<void>;
    removeSubscriptions(client: Pick<Client, 'id'>, topics: string[]): Promise<void>;
    subscriptionsByTopic(topic: string): Promise<{ readonly clientId: string }[]>;
    outgoingUpdate(client: Pick<Client, 'id'>, packet: StoredPacket): Promise<void>;
    subscriptionsByClient(client: Pick<Client, 'id'>): Promise<Subscription[]>;
    outgoingEnqueue(subscription: { readonly clientId: string }, packet: StoredPacket): Promise<void>;
    outgoingEnqueueCombi(
      subscriptions: readonly { readonly clientId: string }[],
      packet: StoredPacket,
    ): Promise<void>;
    outgoingClearMessageId(
      client: Pick<Client, 'id'>,
      packet: StoredPacket,
    ): Promise<StoredPacket | undefined>;
    outgoingStream(client: Pick<Client, 'id'>): AsyncIterable<StoredPacket>;
    cleanIncoming(client: Pick<Client, 'id'>): Promise<void>;
  }
}
