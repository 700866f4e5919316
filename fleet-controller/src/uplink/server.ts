import {
  type AlarmCommand,
  type Clock,
  describeError,
  type GatewayId,
  type Lifecycle,
  type Logger,
  PROTOCOLS,
  type Receipt,
  type RegionId,
  UnavailableError,
  UplinkDown,
  UplinkUp,
  type WriteCommand,
  withDeadline,
} from '@millwright/protocol';
import type { Host, HostConnection } from '@millwright/protocol/node';
import type { IngestStore, LiveHub } from '../ingest/ports.ts';
import { sendCommandOver } from './command-line.ts';
import { EnrolDesk } from './enrol-desk.ts';
import { GatewaySession, type Hello, type UplinkChannel } from './gateway-session.ts';
import { LiveDesk } from './live-desk.ts';

const HELLO_WITHIN_MS = 10_000;
/** A connection without an uplink is worth nothing after that. */
const UPLINK_WITHIN_MS = 30_000;

export interface UplinkServerDeps {
  readonly host: Host;
  readonly store: IngestStore;
  readonly live: LiveHub;
  readonly region: RegionId;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The region's end of every gateway's uplink. Strangers may enrol and nothing else; an enrolled key may send what is
 * its own. Start it after the store; the host may start before or after.
 */
export class UplinkServer implements Lifecycle {
  readonly #deps: UplinkServerDeps;
  readonly #sessions = new Map<GatewayId, GatewaySession>();
  readonly #byConnection = new WeakMap<HostConnection, GatewaySession>();
  /** The tail of each gateway's line: a session begins when the one before it has finished storing. */
  readonly #turns = new Map<GatewayId, Promise<void>>();
  #isServing = false;
  #isRunning = false;

  constructor(deps: UplinkServerDeps) {
    this.#deps = deps;
  }

  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    options.signal?.throwIfAborted();
    this.#isRunning = true;
    if (this.#isServing) return;
    this.#isServing = true;
    const { host, live, store } = this.#deps;
    new EnrolDesk({ ...this.#deps, store }).serve();
    new LiveDesk({
      ...this.#deps,
      hub: live,
      sessionOf: (connection) => this.#sessionOf(connection),
    }).serve();
    host.serve(
      PROTOCOLS.uplink,
      { receive: UplinkUp, send: UplinkDown },
      (channel, connection) => this.#receive(channel, connection),
      { maxChannelsPerConnection: 2 },
    );
    host.onInbound((connection) => this.#expectUplink(connection));
  }

  /** Stores what was received, tells the gateways, and closes their connections. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    const sessions = [...this.#sessions.values()];
    for (const session of sessions) {
      session.end(new UnavailableError('REGION_STOPPING', 'the region is being stopped'));
    }
    await Promise.all(this.#turns.values());
    await Promise.all(sessions.map((session) => session.connection.close()));
  }

  /** Gateways with an uplink at this moment. */
  connected(): readonly GatewayId[] {
    return [...this.#sessions.keys()];
  }

  /**
   * Hands a command to a gateway, once, and waits for what became of it.
   * @param options.withinMs how long to wait for the receipt; then the result is `unknown`. Default 15 s
   * @throws UnavailableError `GATEWAY_OFFLINE` when it was certainly not sent
   */
  async sendCommand(
    gateway: GatewayId,
    command: WriteCommand | AlarmCommand,
    options: { readonly signal?: AbortSignal; readonly withinMs?: number } = {},
  ): Promise<Receipt> {
    const connection = this.#sessions.get(gateway)?.connection;
    return sendCommandOver(connection, gateway, command, { ...options, clock: this.#deps.clock });
  }

  #sessionOf(connection: HostConnection): GatewaySession | undefined {
    const session = this.#byConnection.get(connection);
    return session !== undefined && this.#sessions.get(session.gateway) === session ? session : undefined;
  }

  #expectUplink(connection: HostConnection): void {
    const cancel = this.#deps.clock.after(UPLINK_WITHIN_MS, () => {
      if (this.#sessionOf(connection) !== undefined) return;
      connection.abort(new UnavailableError('NO_UPLINK', 'the connection is not used'));
    });
    connection.onClose(cancel);
  }

  async #receive(channel: UplinkChannel, connection: HostConnection): Promise<void> {
    const admitted = await this.#admit(channel, connection);
    if ('refused' in admitted) {
      await channel.send({ type: 'refused', ...admitted.refused });
      return;
    }
    const { gateway, hello } = admitted;
    const session = new GatewaySession({ ...this.#deps, gateway, channel, connection });
    const older = this.#sessions.get(gateway);
    this.#sessions.set(gateway, session);
    this.#byConnection.set(connection, session);
    if (older !== undefined) {
      this.#deps.logger.warn(
        { gateway, from: connection.remoteAddress, before: older.connection.remoteAddress },
        'a newer connection replaces the one the gateway had',
      );
      older.end(new UnavailableError('REPLACED', 'a newer connection of this gateway replaces this one'));
    }
    const turn = (this.#turns.get(gateway) ?? Promise.resolve()).then(() => this.#hold(session, hello));
    this.#turns.set(gateway, turn);
    await turn;
    if (this.#turns.get(gateway) === turn) this.#turns.delete(gateway);
  }

  /** Runs the session and says so to store and hub, unless a newer one took over meanwhile. */
  async #hold(session: GatewaySession, hello: Hello): Promise<void> {
    const { logger } = this.#deps;
    const { gateway, connection } = session;
    const isCurrent = () => this.#sessions.get(gateway) === session;
    if (isCurrent()) {
      await this.#tell(gateway, true);
      logger.info({ gateway, name: hello.name, from: connection.remoteAddress }, 'gateway connected');
    }
    await session.run(hello);
    if (isCurrent()) {
      this.#sessions.delete(gateway);
      await this.#tell(gateway, false);
      logger.info({ gateway, name: hello.name }, 'gateway disconnected');
    }
    await connection.close();
  }

  async #admit(
    channel: UplinkChannel,
    connection: HostConnection,
  ): Promise<
    | { readonly refused: { readonly code: string; readonly message: string } }
    | { readonly gateway: GatewayId; readonly hello: Hello }
  > {
    const { store, clock, logger } = this.#deps;
    if (!this.#isRunning)
      return { refused: { code: 'REGION_STOPPING', message: 'the region is being stopped' } };
    let gateway: GatewayId | null;
    try {
      gateway = await store.gatewayByKey(connection.publicKey);
    } catch (error) {
      logger.error({ err: error }, `no gateway can be admitted: ${describeError(error)}`);
      return { refused: { code: 'REGION_UNAVAILABLE', message: 'the region cannot look up gateways' } };
    }
    if (gateway === null) {
      return { refused: { code: 'NOT_ENROLLED', message: 'this key is not enrolled here' } };
    }
    const hello = await withDeadline({ clock, withinMs: HELLO_WITHIN_MS, what: 'the hello' }, (signal) =>
      channel.receive({ signal }),
    );
    if (hello?.type !== 'hello')
      return { refused: { code: 'UPLINK_PROTOCOL', message: 'hello comes first' } };
    if (hello.gateway !== gateway) {
      const message = `this key is ${gateway}, not ${hello.gateway}`;
      return { refused: { code: 'GATEWAY_MISMATCH', message } };
    }
    return { gateway, hello };
  }

  async #tell(gateway: GatewayId, connected: boolean): Promise<void> {
    const { store, live, logger } = this.#deps;
    live.connected(gateway, connected);
    try {
      await store.setConnected(gateway, connected);
    } catch (error) {
      logger.warn({ gateway, err: error }, `the connection is not recorded: ${describeError(error)}`);
    }
  }
}
