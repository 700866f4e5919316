import {
  type Clock,
  delay,
  describeError,
  InvalidInputError,
  type PointNo,
  qualityOf,
  reasonOf,
  SampleBatch,
  UnavailableError,
  type Value,
} from '@millwright/protocol';
import type { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import {
  AttributeIds,
  type ClientSession,
  coerceNodeId,
  MessageSecurityMode,
  type NodeId,
  OPCUAClient,
  SecurityPolicy,
} from 'node-opcua-client';
import type { FromWorker, MonitoredPoint, OpcuaServer } from './messages.ts';
import { Outbox } from './outbox.ts';
import { qualityOfStatus } from './status.ts';
import { monitor } from './subscription.ts';
import { encode, isConcrete, pushValue } from './values.ts';

const FIRST_RETRY_MS = 250;
const SLOWEST_RETRY_MS = 5000;
/** A connection that lasted this long is a success: the next retry is quick again. */
const STABLE_MS = 10_000;
const SESSION_TIMEOUT_MS = 30_000;
const GOODBYE_MS = 2000;
/** Channel, certificate, session and subscriptions each get the device's timeout. */
const CONNECT_STEPS = 3;
/** Part of the certificate: a change needs a new one. */
const APPLICATION_NAME = 'Millwright';

export interface ServerSessionDeps {
  readonly line: number;
  readonly server: OpcuaServer;
  readonly points: readonly MonitoredPoint[];
  readonly clock: Clock;
  readonly send: (message: FromWorker) => void;
  readonly certificates: () => Promise<OPCUACertificateManager>;
}

/**
 * Keeps one server's points flowing. Whatever breaks (connection, session, subscription, or mere silence),
 * everything is taken down and built anew: one way back instead of the library's many.
 */
export class ServerSession {
  readonly #deps: ServerSessionDeps;
  readonly #points: ReadonlyMap<PointNo, MonitoredPoint>;
  readonly #types = new Map<PointNo, number>();
  readonly #abort = new AbortController();
  readonly outbox: Outbox;
  #session: ClientSession | undefined;
  #running: Promise<void> | undefined;

  constructor(deps: ServerSessionDeps) {
    this.#deps = deps;
    this.#points = new Map(deps.points.map((point) => [point.no, point]));
    this.outbox = new Outbox({ line: deps.line, points: deps.points.length, send: deps.send });
  }

  start(): void {
    this.#running ??= this.#run(this.#abort.signal);
  }

  async stop(): Promise<void> {
    this.#abort.abort(new UnavailableError('DEVICE_OFFLINE', 'the line is being stopped'));
    await this.#running;
  }

  /** @throws InvalidInputError, UnavailableError as the `Driver` port says */
  async write(no: PointNo, value: Value): Promise<void> {
    const { session, point } = this.#reach(no);
    const nodeId = coerceNodeId(point.node);
    const dataType = this.#types.get(no) ?? (await typeOf(session, nodeId));
    this.#types.set(no, dataType);
    const variant = encode(dataType, value);
    const request = { nodeId, attributeId: AttributeIds.Value, value: { value: variant } };
    const status = await session.write(request).catch((error: unknown) => {
      throw unconfirmed(`the write was sent but not confirmed: ${describeError(error)}`, error);
    });
    if (status.isGood()) return;
    const reason = reasonOf(qualityOfStatus(status.value));
    if (reason === 'timeout' || reason === 'disconnected') throw unconfirmed(status.toString());
    throw new InvalidInputError('DEVICE_REFUSED', `the server refused the write: ${status.description}`);
  }

  /** @throws UnavailableError */
  async read(no: PointNo): Promise<Value> {
    const { session, point } = this.#reach(no);
    const received = await session.read({
      nodeId: coerceNodeId(point.node),
      attributeId: AttributeIds.Value,
    });
    const batch = new SampleBatch(1);
    pushValue(batch, point, received, 0);
    if (qualityOf(batch.quality[0] ?? 0) !== 'bad') return batch.valueAt(0);
    throw new UnavailableError(
      'VALUE_BAD',
      `the server has no valid value: ${received.statusCode.toString()}`,
    );
  }

  #reach(no: PointNo): { session: ClientSession; point: MonitoredPoint } {
    const point = this.#points.get(no);
    if (point === undefined)
      throw new InvalidInputError('POINT_UNKNOWN', `there is no point ${no} on this line`);
    if (this.#session === undefined)
      throw new UnavailableError('DEVICE_OFFLINE', 'the server is not reachable');
    return { session: this.#session, point };
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, line, send } = this.#deps;
    for (let failures = 0; !signal.aborted; failures++) {
      const begunMs = clock.monotonicMs();
      const why = await this.#serve(signal);
      if (signal.aborted) return;
      this.outbox.flush();
      send({ op: 'down', line, why });
      if (clock.monotonicMs() - begunMs >= STABLE_MS) failures = 0;
      const wait = Math.min(SLOWEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10));
      await delay(clock, wait * (0.5 + 0.5 * Math.random()), { signal }).catch(() => undefined);
    }
  }

  /** Connects and stays until something ends it. @returns what it was, as a sentence */
  async #serve(signal: AbortSignal): Promise<string> {
    const { server, clock, line, send } = this.#deps;
    const attempt = new AbortController();
    let why = 'the line is being stopped';
    const end = (reason: string) => {
      if (!attempt.signal.aborted) why = reason;
      attempt.abort();
    };
    const ended = new Promise((resolve) => attempt.signal.addEventListener('abort', resolve, { once: true }));
    const stop = () => attempt.abort();
    signal.addEventListener('abort', stop, { once: true });
    const limitMs = CONNECT_STEPS * server.timeoutMs;
    const cancelLimit = clock.after(limitMs, () => end(`no session within ${limitMs} ms`));
    const client = new Promise<OPCUAClient | undefined>((opened) => {
      this.#connect(attempt.signal, end, opened).then(
        (session) => {
          cancelLimit();
          if (attempt.signal.aborted) return;
          this.#session = session;
          send({ op: 'up', line });
        },
        (error: unknown) => {
          opened(undefined);
          end(describeError(error));
        },
      );
    });
    await ended;
    cancelLimit();
    signal.removeEventListener('abort', stop);
    this.#session = undefined;
    await this.#sayGoodbye(await client);
    return why;
  }

  async #connect(
    signal: AbortSignal,
    end: (why: string) => void,
    opened: (client: OPCUAClient) => void,
  ): Promise<ClientSession> {
    const { server, clock, certificates, points } = this.#deps;
    const client = OPCUAClient.create({
      applicationName: APPLICATION_NAME,
      endpointMustExist: false,
      clientCertificateManager: await certificates(),
      connectionStrategy: { maxRetry: 0 },
      securityPolicy: SecurityPolicy[server.security],
      securityMode: modeOf(server),
      transportTimeout: server.timeoutMs,
      defaultTransactionTimeout: server.timeoutMs,
      requestedSessionTimeout: SESSION_TIMEOUT_MS,
    });
    opened(client);
    signal.throwIfAborted();
    client.on('close', (error) => end(error?.message ?? 'the connection was closed'));
    client.on('connection_lost', () => end('the connection was lost'));
    await client.connect(server.url);
    const session = await client.createSession();
    session.on('session_closed', (status) => end(`the session was closed: ${status.toString()}`));
    await monitor({
      session,
      clock,
      signal,
      points,
      end,
      onValue: (point, received) => {
        pushValue(this.outbox.batch, point, received, clock.wallMs());
        this.outbox.pushed();
      },
    });
    return session;
  }

  /** Closes the session where the server still listens, and does not wait long where it does not. */
  async #sayGoodbye(client: OPCUAClient | undefined): Promise<void> {
    if (client === undefined) return;
    const patience = new AbortController();
    const gone = client.disconnect().catch(() => undefined);
    const late = delay(this.#deps.clock, GOODBYE_MS, { signal: patience.signal }).catch(() => undefined);
    await Promise.race([gone, late]);
    patience.abort();
  }
}

/** The node's built-in type; where it is declared abstract, that of the value it holds. */
async function typeOf(session: ClientSession, nodeId: NodeId): Promise<number> {
  const declared = await session.getBuiltInDataType(nodeId);
  if (isConcrete(declared)) return declared;
  const { value } = await session.read({ nodeId, attributeId: AttributeIds.Value });
  return value.dataType;
}

/** A policy without a mode means the strongest one. */
function modeOf({ security, mode }: OpcuaServer): MessageSecurityMode {
  if (security === 'None' && mode === 'none') return MessageSecurityMode.None;
  return mode === 'sign' ? MessageSecurityMode.Sign : MessageSecurityMode.SignAndEncrypt;
}

function unconfirmed(message: string, cause?: unknown): UnavailableError {
  return new UnavailableError('WRITE_UNCONFIRMED', message, {
    retry: 'never',
    hint: 'the server may have taken the value: read it before you write again',
    cause,
  });
}
