import {
  type Clock,
  type DeviceStatus,
  describeError,
  type GatewayId,
  InvalidInputError,
  type Logger,
  MillwrightError,
  type RegionId,
  UnavailableError,
  type UplinkDown,
  type UplinkUp,
  withDeadline,
} from '@millwright/protocol';
import type { Channel, HostConnection } from '@millwright/protocol/node';
import type { IngestStore } from '../ingest/ports.ts';
import { IngestQueue } from './ingest-queue.ts';

/** A full device list in several messages; a gateway with more than these has a fault. */
const MAX_LISTED_DEVICES = 20_000;

export type UplinkChannel = Channel<UplinkUp, UplinkDown>;
export type Hello = Extract<UplinkUp, { type: 'hello' }>;

export interface GatewaySessionDeps {
  readonly gateway: GatewayId;
  readonly channel: UplinkChannel;
  readonly connection: HostConnection;
  readonly store: IngestStore;
  readonly region: RegionId;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One gateway's uplink while its connection lasts. */
export class GatewaySession {
  readonly gateway: GatewayId;
  readonly connection: HostConnection;
  readonly #deps: GatewaySessionDeps;
  readonly #queue: IngestQueue;
  readonly #done = Promise.withResolvers<void>();
  readonly #stop = new AbortController();
  readonly #listed: DeviceStatus[] = [];
  #catalogSize = 0;
  #isOver = false;
  #catalogGrew = Promise.withResolvers<void>();

  constructor(deps: GatewaySessionDeps) {
    this.#deps = deps;
    this.gateway = deps.gateway;
    this.connection = deps.connection;
    this.#queue = new IngestQueue({
      ...deps,
      onDurable: (acked) => deps.channel.send({ type: 'ack', acked }),
    });
  }

  /** Resolves when everything this session had begun to store is stored or has failed. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** Ends the session and tells the gateway why; `done` resolves a little later. */
  end(reason: MillwrightError): void {
    this.#stop.abort(reason);
  }

  /** Answers the hello and stores what comes until the connection or the store fails. Never throws. */
  async run(hello: Hello): Promise<void> {
    const { channel } = this.#deps;
    try {
      await this.#welcome(hello);
      await this.#ingest();
    } catch (error) {
      await this.#tell(error);
    } finally {
      await channel.end();
      this.#isOver = true;
      this.#catalogGrew.resolve();
      this.#done.resolve();
    }
  }

  /** Resolves once catalogue line `no` is known, or after `withinMs`, or when the session ends. */
  async catalogReaches(no: number, withinMs: number): Promise<void> {
    if (no < this.#catalogSize) return;
    const late = Promise.withResolvers<void>();
    let isLate = false;
    const cancel = this.#deps.clock.after(withinMs, () => {
      isLate = true;
      late.resolve();
    });
    while (no >= this.#catalogSize && !isLate && !this.#isOver) {
      await Promise.race([this.#catalogGrew.promise, late.promise]);
    }
    cancel();
  }

  async #welcome(hello: Hello): Promise<void> {
    const { store, channel, region, clock } = this.#deps;
    const held = await store.hello(hello);
    this.#catalogSize = held.catalogSize;
    await channel.send(
      { type: 'welcome', region, ...held, wallMs: clock.wallMs() },
      { signal: this.#stop.signal },
    );
  }

  /** The gateway and the log learn why the session ends, unless it is the connection itself that failed. */
  async #tell(error: unknown): Promise<void> {
    const { channel, gateway, logger, clock } = this.#deps;
    if (error instanceof UnavailableError && error.code === 'CHANNEL_CLOSED') return;
    const isKnown = error instanceof InvalidInputError || error === this.#stop.signal.reason;
    const code = isKnown && error instanceof MillwrightError ? error.code : 'REGION_UNAVAILABLE';
    const message = isKnown ? describeError(error) : 'the region cannot store entries at the moment';
    if (!isKnown) logger.error({ gateway, err: error }, `uplink ended: ${describeError(error)}`);
    else if (error !== this.#stop.signal.reason)
      logger.warn({ gateway, err: error }, `uplink ended: ${message}`);
    try {
      await withDeadline({ clock, withinMs: 1000, what: 'the refusal' }, (signal) =>
        channel.send({ type: 'refused', code, message: message.slice(0, 300) }, { signal }),
      );
    } catch (unheard) {
      logger.debug({ gateway, err: unheard }, 'the gateway was gone before it could be told');
    }
  }

  async #ingest(): Promise<void> {
    const storing = this.#queue.run();
    const receiving = this.#receive();
    try {
      await Promise.race([receiving, storing.then(() => receiving)]);
    } finally {
      this.#queue.end();
      // The queue finishes what it has begun; its failure is the reason when it failed first.
      this.#stop.abort();
      await Promise.allSettled([receiving, storing]);
    }
    await storing;
  }

  async #receive(): Promise<void> {
    const { channel } = this.#deps;
    for (;;) {
      const message = await channel.receive({ signal: this.#stop.signal });
      if (message === undefined) return;
      await this.#take(message);
    }
  }

  async #take(message: UplinkUp): Promise<void> {
    const { store, gateway } = this.#deps;
    switch (message.type) {
      case 'entry':
        await this.#queue.push(message.entry);
        return;
      case 'catalog':
        await store.appendCatalog(gateway, message.from, message.entries);
        this.#catalogSize = Math.max(this.#catalogSize, message.from + message.entries.length);
        this.#catalogGrew.resolve();
        this.#catalogGrew = Promise.withResolvers();
        return;
      case 'devices':
        await this.#takeDevices(message);
        return;
      case 'hello':
        throw new InvalidInputError('UPLINK_PROTOCOL', 'hello is said once');
    }
  }

  async #takeDevices(message: Extract<UplinkUp, { type: 'devices' }>): Promise<void> {
    const { store, gateway } = this.#deps;
    if (message.partial !== true && !message.complete) {
      await store.upsertDevices(gateway, message.devices, false);
      return;
    }
    this.#listed.push(...message.devices);
    if (this.#listed.length > MAX_LISTED_DEVICES) {
      throw new InvalidInputError(
        'TOO_MANY_DEVICES',
        `a gateway has at most ${MAX_LISTED_DEVICES} devices, not ${this.#listed.length}`,
      );
    }
    if (message.complete) await store.upsertDevices(gateway, this.#listed.splice(0), true);
  }
}
