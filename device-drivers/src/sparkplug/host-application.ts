import {
  type Clock,
  describeError,
  type Lifecycle,
  type Logger,
  UnavailableError,
  type Value,
} from '@millwright/protocol';
import { EdgeNodeView, type Target, type ViewListener } from './edge-node-view.ts';
import { decodePayload, encodePayload, type Metric } from './payload.ts';
import type { Session, SparkplugServer, Will } from './session.ts';
import { SessionLoop, type SessionUser } from './session-loop.ts';
import { encodeState, parseState } from './state.ts';
import { deviceTopic, type EdgeNodeId, NAMESPACE, nodeTopic, parseTopic, stateTopic } from './topic.ts';

export interface HostApplicationConfig {
  /** Unique among all host applications of the infrastructure. */
  readonly host: string;
  readonly nodes: readonly (EdgeNodeId & { readonly reorderMs: number })[];
}

export interface HostApplicationDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** One session at one of them at a time. */
  readonly servers: readonly SparkplugServer[];
  readonly listener: Pick<ViewListener, 'onBirth' | 'onData' | 'onDeath'> & {
    /** There is no session now; deaths were told before. */
    readonly onDisconnected: (why: string) => void;
    readonly onConnected: () => void;
  };
  readonly random?: () => number;
}

/**
 * A Sparkplug host application: says when it is there, follows the edge nodes it is told to follow, and asks for a
 * rebirth whenever it cannot be sure of what it knows.
 * @see Sparkplug 3.0 §5.4, §6.4.28
 */
export class HostApplication implements Lifecycle, SessionUser {
  readonly #deps: HostApplicationDeps;
  readonly #config: HostApplicationConfig;
  readonly #views = new Map<string, EdgeNodeView>();
  readonly #loop: SessionLoop;
  readonly #stateTopic: string;
  #session: Session | undefined;
  /** Of the will of the present session: births repeat it. */
  #connectMs = 0;
  /** The birth certificate is out. */
  #isBorn = false;

  constructor(deps: HostApplicationDeps, config: HostApplicationConfig) {
    this.#deps = deps;
    this.#config = config;
    this.#stateTopic = stateTopic(config.host);
    const listener: ViewListener = {
      ...deps.listener,
      onLost: (node, why) => this.#askForRebirth(node, why),
    };
    for (const { group, node, reorderMs } of config.nodes) {
      const view = new EdgeNodeView({ clock: deps.clock, listener }, { id: { group, node }, reorderMs });
      this.#views.set(`${group}/${node}`, view);
    }
    this.#loop = new SessionLoop(deps, deps.servers, this, { withWill: false });
  }

  async start(): Promise<void> {
    await this.#loop.start();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    this.#session = undefined;
    this.#isBorn = false;
    for (const view of this.#views.values()) view.stop();
  }

  /**
   * Sends a command that writes one metric.
   * @throws UnavailableError `DEVICE_OFFLINE` without a birth; InvalidInputError for a value its type cannot hold
   */
  async write(target: Target, name: string, value: Value): Promise<void> {
    const address = this.#views
      .get(`${target.group}/${target.node}`)
      ?.registerOf(target.device)
      ?.address(name);
    if (address === undefined || this.#session === undefined) {
      throw new UnavailableError(
        'DEVICE_OFFLINE',
        `no birth certificate with metric "${name}" has been seen`,
      );
    }
    const { type } = address;
    await this.#command(target, { ...address, type, value });
  }

  /** The type its birth gave a metric; undefined when it has none now. */
  typeOf(target: Target, name: string): Metric['type'] | undefined {
    return this.#views.get(`${target.group}/${target.node}`)?.registerOf(target.device)?.address(name)?.type;
  }

  async will(): Promise<Will> {
    this.#connectMs = this.#deps.clock.wallMs();
    return {
      topic: this.#stateTopic,
      payload: encodeState({ online: false, timestamp: this.#connectMs }),
      retain: true,
    };
  }

  async begin(session: Session): Promise<void> {
    this.#session = session;
    const nodes = this.#config.nodes.map(({ group, node }) => `${NAMESPACE}/${group}/+/${node}/#`);
    await session.subscribe([this.#stateTopic, ...new Set(nodes)]);
    // It may have been told to end, or have been lost, while the broker answered.
    if (this.#session !== session) return;
    await this.#publishBirth(session);
    if (this.#session !== session) return;
    this.#isBorn = true;
    this.#deps.listener.onConnected();
    for (const view of this.#views.values()) this.#askForRebirth(view.id, undefined);
  }

  onMessage(topic: string, bytes: Uint8Array): void {
    const parsed = parseTopic(topic);
    if (parsed === undefined) return;
    if (parsed.type === 'STATE') {
      this.#ownState(parsed.host, bytes);
      return;
    }
    const view = this.#views.get(`${parsed.group}/${parsed.node}`);
    if (view === undefined || parsed.type === 'NCMD' || parsed.type === 'DCMD') return;
    try {
      view.take({ type: parsed.type, device: parsed.device, payload: decodePayload(bytes) });
    } catch (error) {
      this.#deps.logger.debug({ topic, error: describeError(error) }, 'Sparkplug message not understood');
      this.#askForRebirth(view.id, 'it sends what is no Sparkplug payload');
    }
  }

  lost(why: string): void {
    this.#session = undefined;
    this.#isBorn = false;
    for (const view of this.#views.values()) view.forget('the connection to the broker was lost');
    this.#deps.listener.onDisconnected(why);
  }

  async farewell(session: Session): Promise<void> {
    this.#session = undefined;
    this.#isBorn = false;
    const death = encodeState({ online: false, timestamp: this.#deps.clock.wallMs() });
    await session.publish(this.#stateTopic, death, { qos: 1, retain: true });
  }

  async #publishBirth(session: Session): Promise<void> {
    const birth = encodeState({ online: true, timestamp: this.#connectMs });
    await session.publish(this.#stateTopic, birth, { qos: 1, retain: true });
  }

  /** Somebody says that we are offline, such as the will of a connection before this one. */
  #ownState(host: string, payload: Uint8Array): void {
    if (host !== this.#config.host || !this.#isBorn || this.#session === undefined) return;
    if (parseState(payload)?.online !== false) return;
    this.#publishBirth(this.#session).catch((error: unknown) => {
      this.#deps.logger.debug({ error: describeError(error) }, 'birth certificate not repeated');
    });
  }

  #askForRebirth(node: EdgeNodeId, why: string | undefined): void {
    const view = this.#views.get(`${node.group}/${node.node}`);
    if (view === undefined || !this.#isBorn || !view.ask()) return;
    if (why !== undefined) {
      this.#deps.logger.info(
        { edgeNode: `${node.group}/${node.node}`, why },
        'asking an edge node for a rebirth',
      );
    }
    const request: Metric = { name: 'Node Control/Rebirth', type: 'Boolean', value: true };
    this.#command({ ...node, device: undefined }, request).catch((error: unknown) => {
      this.#deps.logger.debug({ error: describeError(error) }, 'rebirth request not sent');
    });
  }

  async #command(target: Target, metric: Metric): Promise<void> {
    const timestampMs = this.#deps.clock.wallMs();
    const topic =
      target.device === undefined ? nodeTopic('NCMD', target) : deviceTopic('DCMD', target, target.device);
    const payload = encodePayload({ timestampMs, metrics: [{ timestampMs, ...metric }] });
    if (this.#session === undefined) throw new UnavailableError('MQTT_DISCONNECTED', 'there is no session');
    await this.#session.publish(topic, payload, { qos: 0, retain: false });
  }
}
