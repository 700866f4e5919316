import type { MqttLink } from '@millwright/device-drivers';
import { describeError, type Lifecycle, type Logger } from '@millwright/protocol';
import type { MqttBroker } from '../broker.ts';
import type { BridgeQueue, QueuedMessage } from './bridge-queue.ts';
import type { TopicMap } from './topic-map.ts';

/** Sent and not acknowledged yet. */
const WINDOW = 32;

export interface BridgeDeps {
  readonly logger: Logger;
  readonly broker: Pick<MqttBroker, 'subscribe' | 'publish' | 'addBarrier'>;
  /** To the other broker; started and stopped with the bridge. */
  readonly link: MqttLink;
  readonly queue: BridgeQueue;
  readonly topics: TopicMap;
}

export interface BridgeStats {
  readonly connected: boolean;
  readonly queued: number;
  readonly queuedBytes: number;
  readonly sent: number;
  readonly received: number;
  /** Not carried over: no room while the other broker was away, or not acceptable here. */
  readonly dropped: number;
}

/**
 * Carries messages between the gateway's own broker and another one. Outward, QoS 1 messages go through a queue that
 * survives a restart and is emptied in order; whoever published one is told that it is safe once it is in there.
 * What came in is never carried out again.
 */
export class Bridge implements Lifecycle {
  readonly name: string;
  readonly #deps: BridgeDeps;
  readonly #ends: (() => void)[] = [];
  #running = false;
  #connected = false;
  /** A message from the other broker is being published here, within one call. */
  #isInjecting = false;
  /** Number of the last message given to the link on this connection. */
  #sentUpTo = 0;
  #inFlight = 0;
  #connection = 0;
  #sent = 0;
  #received = 0;
  #refused = 0;
  #isOverflowing = false;

  constructor(name: string, deps: BridgeDeps) {
    this.name = name;
    this.#deps = deps;
  }

  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    const { broker, link, topics, queue } = this.#deps;
    await queue.load();
    for (const filter of topics.remoteFilters) {
      this.#ends.push(
        link.subscribe(filter, (topic, payload, retained) => this.#carryIn(topic, payload, retained)),
      );
    }
    this.#ends.push(
      broker.addBarrier((topic) => (topics.outward(topic)?.qos === 1 ? queue.committed() : undefined)),
    );
    for (const filter of topics.localFilters) {
      this.#ends.push(
        broker.subscribe(
          filter,
          (topic, payload, isKept, retain) =>
            this.#carryOut(filter, topic, payload, { isKept, retain: isKept || retain }),
          { isRelay: true },
        ),
      );
    }
    this.#ends.push(link.onState((connected) => this.#onState(connected)));
    await link.start();
  }

  async stop(): Promise<void> {
    if (!this.#running) return;
    this.#running = false;
    // First the link: a session keeps its subscriptions, and what comes meanwhile waits there.
    await this.#deps.link.stop();
    for (const end of this.#ends.splice(0)) end();
    this.#connected = false;
    await this.#deps.queue.committed();
  }

  stats(): BridgeStats {
    const { queue } = this.#deps;
    return {
      connected: this.#connected,
      queued: queue.size,
      queuedBytes: queue.bytes,
      sent: this.#sent,
      received: this.#received,
      dropped: queue.dropped + this.#refused,
    };
  }

  #onState(connected: boolean): void {
    this.#connected = connected;
    this.#connection++;
    this.#sentUpTo = 0;
    this.#inFlight = 0;
    if (connected) this.#drain();
  }

  #carryIn(topic: string, payload: Uint8Array, retain: boolean): void {
    const target = this.#deps.topics.inward(topic);
    if (target === undefined) return;
    this.#isInjecting = true;
    try {
      this.#deps.broker.publish(target.topic, payload, { retain, qos: target.qos });
      this.#received++;
    } catch (error) {
      this.#refused++;
      this.#deps.logger.debug(
        { bridge: this.name, topic, error: describeError(error) },
        'message not carried in',
      );
    } finally {
      this.#isInjecting = false;
    }
  }

  #carryOut(
    filter: string,
    topic: string,
    payload: Uint8Array,
    { isKept, retain }: { readonly isKept: boolean; readonly retain: boolean },
  ): void {
    const { topics, queue, link } = this.#deps;
    if (this.#isInjecting || !topics.isFirstFor(filter, topic)) return;
    const target = topics.outward(topic, { isKept });
    if (target === undefined) return;
    if (target.qos === 0) {
      if (!this.#connected) return;
      link.publish(target.topic, payload, { retain, qos: 0 }).then(
        () => this.#sent++,
        () => undefined,
      );
      return;
    }
    const droppedBefore = queue.dropped;
    queue.add(target.topic, payload, retain);
    this.#noteOverflow(queue.dropped > droppedBefore);
    this.#drain();
  }

  /** Sends in order what waits, as far as the window allows. */
  #drain(): void {
    if (!this.#connected || this.#inFlight >= WINDOW) return;
    for (const message of this.#deps.queue.from(this.#sentUpTo)) {
      this.#send(message);
      if (this.#inFlight >= WINDOW) return;
    }
  }

  #send({ no, topic, payload, retain }: QueuedMessage): void {
    const connection = this.#connection;
    this.#sentUpTo = no;
    this.#inFlight++;
    this.#deps.link.publish(topic, payload, { retain, qos: 1 }).then(
      () => {
        this.#deps.queue.remove(no);
        this.#sent++;
        if (connection !== this.#connection) return;
        this.#inFlight--;
        if (this.#deps.queue.size === 0) this.#noteOverflow(false);
        this.#drain();
      },
      // The line broke: it is sent again, in order, when there is one.
      () => undefined,
    );
  }

  #noteOverflow(isOverflowing: boolean): void {
    if (isOverflowing === this.#isOverflowing) return;
    if (isOverflowing) {
      this.#isOverflowing = true;
      this.#deps.logger.warn(
        { bridge: this.name },
        'the queue of a bridge is full; the oldest messages are dropped',
      );
    } else if (this.#deps.queue.size === 0) {
      this.#isOverflowing = false;
      this.#deps.logger.info(
        { bridge: this.name, dropped: this.#deps.queue.dropped },
        'the bridge has caught up',
      );
    }
  }
}
