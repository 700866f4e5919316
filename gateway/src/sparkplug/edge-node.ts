import {
  decodePayload,
  deviceTopic,
  type EdgeNodeId,
  encodePayload,
  type Metric,
  nodeTopic,
  parseState,
  parseTopic,
  type ReceivedPayload,
  type Session,
  SessionLoop,
  type SessionUser,
  type SparkplugServer,
  stateTopic,
  type Will,
} from '@millwright/device-drivers/sparkplug';
import { type Clock, describeError, every, type Lifecycle, type Logger } from '@millwright/protocol';
import type { BdSeq } from './bd-seq.ts';
import type { BornDevices, Outgoing } from './born-devices.ts';
import { NodeMetrics, REBIRTH } from './node-metrics.ts';
import { PrimaryHost } from './primary-host.ts';
import type { WriteInbox } from './write-inbox.ts';

const SEQS = 256;
/** Messages handed to the connection and not yet taken by it: above this, changes wait in the points table. */
const MAX_UNSENT = 64;
/** Rebirths asked for faster than this are answered together. */
const REBIRTH_PAUSE_MS = 1000;

export interface EdgeNodeDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** One session at one of them at a time. */
  readonly servers: readonly SparkplugServer[];
  readonly bdSeq: BdSeq;
  readonly devices: BornDevices;
  readonly writes: WriteInbox;
  readonly random?: () => number;
}

export interface EdgeNodeConfig extends EdgeNodeId {
  readonly version: string;
  /** Primary host to wait for. */
  readonly host?: string | undefined;
  readonly everyMs: number;
  /** Largest message that the broker takes. */
  readonly maxPayloadBytes: number;
}

/**
 * The gateway as a Sparkplug edge node. It is born when a session is there (and its primary host, where it has one),
 * tells changes of its devices in the order of their numbers, and dies when it goes.
 * @see Sparkplug 3.0 §5.3–5.9
 */
export class EdgeNode implements Lifecycle, SessionUser {
  readonly #deps: EdgeNodeDeps;
  readonly #config: EdgeNodeConfig;
  readonly #loop: SessionLoop;
  readonly #metrics: NodeMetrics;
  readonly #hosts = new Map<number, PrimaryHost>();
  readonly #tooLarge = new Set<string>();
  #session: Session | undefined;
  #server = 0;
  /** The birth sequence of this session is out. */
  #isBorn = false;
  #bornAtMs = 0;
  #isRebirthDue = false;
  #seq = 0;
  #unsent = 0;
  #stopTicking: (() => void) | undefined;
  #told: 'waiting' | 'born' | undefined;

  constructor(deps: EdgeNodeDeps, config: EdgeNodeConfig) {
    this.#deps = deps;
    this.#config = config;
    this.#metrics = new NodeMetrics(config);
    this.#loop = new SessionLoop(deps, deps.servers, this, { withWill: true });
  }

  async start(): Promise<void> {
    if (this.#stopTicking !== undefined) return;
    this.#stopTicking = every(this.#deps.clock, this.#config.everyMs, () => this.#tick());
    await this.#loop.start();
  }

  async stop(): Promise<void> {
    this.#stopTicking?.();
    this.#stopTicking = undefined;
    await this.#loop.stop();
    this.#forget();
  }

  /** Whether hosts can see it now. */
  get isBorn(): boolean {
    return this.#isBorn;
  }

  async will(): Promise<Will> {
    await this.#deps.bdSeq.next();
    return { topic: nodeTopic('NDEATH', this.#config), payload: this.#death(), retain: false };
  }

  async begin(session: Session, server: number): Promise<void> {
    const { host } = this.#config;
    this.#session = session;
    this.#server = server;
    // Set before: a retained STATE may come with the answer.
    const filters = [nodeTopic('NCMD', this.#config), deviceTopic('DCMD', this.#config, '+')];
    await session.subscribe(host === undefined ? filters : [stateTopic(host), ...filters]);
    // It may have been told to end, or have been lost, while the broker answered.
    if (this.#session !== session) return;
    if (host === undefined) this.#birth();
    else this.#tell('waiting', `waits for the primary Sparkplug host "${host}" to be online`);
  }

  onMessage(topic: string, bytes: Uint8Array, retained: boolean): void {
    const to = parseTopic(topic);
    if (to === undefined) return;
    if (to.type === 'STATE') {
      if (to.host === this.#config.host) this.#hostState(bytes);
      return;
    }
    const isOurs = to.group === this.#config.group && to.node === this.#config.node;
    // A command that the broker had kept is an old one, and nobody asks for it now.
    if (!isOurs || retained || !this.#isBorn) return;
    if (to.type !== 'NCMD' && to.type !== 'DCMD') return;
    try {
      this.#command(to.device, decodePayload(bytes));
    } catch (error) {
      this.#deps.logger.warn({ topic, error: describeError(error) }, 'Sparkplug command not understood');
    }
  }

  lost(): void {
    this.#forget();
  }

  async farewell(session: Session): Promise<void> {
    this.#forget();
    await session.publish(nodeTopic('NDEATH', this.#config), this.#death(), { qos: 1, retain: false });
  }

  #hostState(bytes: Uint8Array): void {
    const state = parseState(bytes);
    if (state === undefined || this.#session === undefined) return;
    const host = this.#hosts.get(this.#server) ?? new PrimaryHost();
    this.#hosts.set(this.#server, host);
    const now = host.take(state);
    if (now === 'online' && !this.#isBorn) this.#birth();
    // Without having been born there is nothing to end: it goes on waiting here, or looks at the next server.
    if (now === 'offline' && (this.#isBorn || this.#deps.servers.length > 1)) {
      this.#deps.logger.info({ host: this.#config.host }, 'the primary Sparkplug host is offline');
      this.#forget();
      this.#loop.moveOn();
    }
  }

  #command(device: string | undefined, payload: ReceivedPayload): void {
    if (device !== undefined) {
      this.#deps.writes.take(payload, (metric) => this.#deps.devices.find(device, metric));
      return;
    }
    const isRebirth = payload.metrics.some(
      ({ name, cell }) => name === REBIRTH && cell?.case === 'booleanValue' && cell.value,
    );
    if (!isRebirth) return;
    this.#isRebirthDue = true;
    this.#rebirth();
  }

  /** Until it is born again it sends no data. */
  #rebirth(): void {
    if (this.#deps.clock.monotonicMs() - this.#bornAtMs >= REBIRTH_PAUSE_MS) this.#birth();
  }

  #birth(): void {
    const { clock, devices, bdSeq } = this.#deps;
    this.#isBorn = true;
    this.#isRebirthDue = false;
    this.#bornAtMs = clock.monotonicMs();
    this.#seq = 0;
    devices.forget();
    const born = devices.reconcile();
    const metrics = this.#metrics.birth(bdSeq.current, devices.counts(), clock.wallMs());
    this.#send(nodeTopic('NBIRTH', this.#config), metrics);
    for (const message of born) this.#sendOut(message);
    this.#tell('born', 'is born: Sparkplug hosts see it');
  }

  /** Once on every change: sessions may come and go while nothing changes for an operator. */
  #tell(state: 'waiting' | 'born', message: string): void {
    if (this.#told === state) return;
    this.#told = state;
    const { group, node } = this.#config;
    this.#deps.logger.info({ edgeNode: `${group}/${node}` }, `the edge node ${message}`);
  }

  #tick(): void {
    if (!this.#isBorn || this.#session === undefined) return;
    if (this.#isRebirthDue) {
      this.#rebirth();
      return;
    }
    const { clock, devices } = this.#deps;
    for (const message of devices.reconcile()) this.#sendOut(message);
    const changed = this.#metrics.changed(devices.counts(), clock.wallMs());
    if (changed.length > 0) this.#send(nodeTopic('NDATA', this.#config), changed);
    if (this.#unsent > MAX_UNSENT) return;
    for (const message of devices.changes()) this.#sendOut(message);
  }

  #sendOut({ type, device, metrics }: Outgoing): void {
    this.#send(deviceTopic(type, this.#config, device), metrics, device);
  }

  /** Data that is too large goes in parts; a birth certificate cannot. */
  #send(topic: string, metrics: readonly Metric[], device?: string): void {
    const payload = encodePayload({ timestampMs: this.#deps.clock.wallMs(), seq: this.#seq, metrics });
    if (payload.length <= this.#config.maxPayloadBytes) {
      this.#publish(topic, payload);
    } else if (topic.includes('DATA/') && metrics.length > 1) {
      const half = metrics.length >> 1;
      this.#send(topic, metrics.slice(0, half), device);
      this.#send(topic, metrics.slice(half), device);
    } else {
      if (device !== undefined) this.#deps.devices.silence(device);
      if (this.#tooLarge.has(topic)) return;
      this.#tooLarge.add(topic);
      const fields = { topic, bytes: payload.length, hint: 'raise broker.limits.payloadBytes' };
      this.#deps.logger.error(fields, 'a Sparkplug message is larger than the broker takes and is not sent');
    }
  }

  #publish(topic: string, payload: Uint8Array): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#seq = (this.#seq + 1) % SEQS;
    this.#unsent++;
    session
      .publish(topic, payload, { qos: 0, retain: false })
      // A session that is gone is told by the loop; its next one begins with a birth.
      .catch((error: unknown) => this.#deps.logger.debug({ topic, error: describeError(error) }, 'not sent'))
      .finally(() => {
        this.#unsent--;
      });
  }

  #death(): Uint8Array {
    const timestampMs = this.#deps.clock.wallMs();
    return encodePayload({
      timestampMs,
      metrics: [this.#metrics.bdSeq(this.#deps.bdSeq.current, timestampMs)],
    });
  }

  #forget(): void {
    this.#session = undefined;
    this.#isBorn = false;
    this.#isRebirthDue = false;
    this.#unsent = 0;
    this.#deps.devices.forget();
  }
}
