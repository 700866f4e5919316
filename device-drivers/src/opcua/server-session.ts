import {
  type Clock,
  delay,
  every,
  InvalidInputError,
  type PointNo,
  UnavailableError,
  type Value,
} from '@millwright/protocol';
import type { ClientSession, OPCUAClient } from 'node-opcua-client';
import { backfill } from './backfill.ts';
import type { Certificates } from './certificates.ts';
import { createClient, createSession, explain } from './connection.ts';
import { readLimits } from './limits.ts';
import type { FromWorker, MonitoredPoint, OpcuaServer } from './messages.ts';
import { Outbox } from './outbox.ts';
import type { OwnCertificateFile } from './own-certificate.ts';
import { type PointState, stateOf } from './point-state.ts';
import { callMethod, readValue, writeValue } from './requests.ts';
import type { ServerTrust } from './server-trust.ts';
import { monitor } from './subscription.ts';
import { pushValue, type ReceivedValue } from './values.ts';

const FIRST_RETRY_MS = 250;
const SLOWEST_RETRY_MS = 5000;
/** A connection that lasted this long is a success: the next retry is quick again. */
const STABLE_MS = 10_000;
const GOODBYE_MS = 2000;
/** Channel, certificate, session and subscriptions each get the device's timeout. */
const CONNECT_STEPS = 3;
/** How soon it counts that a certificate is no longer trusted, or is due for renewal. */
const CERTIFICATES_EVERY_MS = 10_000;

export interface ServerSessionDeps {
  readonly line: number;
  readonly server: OpcuaServer;
  readonly points: readonly MonitoredPoint[];
  readonly clock: Clock;
  readonly send: (message: FromWorker) => void;
  readonly certificates: Certificates;
}

/** One attempt to serve, from the first packet to whatever ends it. */
interface Attempt {
  readonly signal: AbortSignal;
  end(why: string): void;
  /** Runs `work` without the limit that the rest of the attempt has. */
  untimed<T>(work: () => Promise<T>): Promise<T>;
}

/**
 * Keeps one server's points flowing. Whatever breaks (connection, session, subscription, or mere silence),
 * everything is taken down and built anew: one way back instead of the library's many.
 */
export class ServerSession {
  readonly #deps: ServerSessionDeps;
  readonly #states: ReadonlyMap<PointNo, PointState>;
  readonly #abort = new AbortController();
  readonly outbox: Outbox;
  #session: ClientSession | undefined;
  #running: Promise<void> | undefined;
  /** When the server was heard last, in monotonic time; undefined before it ever was. */
  #heardMs: number | undefined;
  /** Which of our own certificates is shown: the newest, until a server refuses it. */
  #certificate = 0;

  constructor(deps: ServerSessionDeps) {
    this.#deps = deps;
    this.#states = new Map(deps.points.map((point) => [point.no, stateOf(point)]));
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
    const { session, state } = this.#reach(no);
    await (state.point.callOn === undefined ? writeValue : callMethod)(session, state, value);
  }

  /** @throws UnavailableError */
  async read(no: PointNo): Promise<Value> {
    const { session, state } = this.#reach(no);
    return readValue(session, state);
  }

  #reach(no: PointNo): { session: ClientSession; state: PointState } {
    const state = this.#states.get(no);
    if (state === undefined)
      throw new InvalidInputError('POINT_UNKNOWN', `there is no point ${no} on this line`);
    if (this.#session === undefined)
      throw new UnavailableError('DEVICE_OFFLINE', 'the server is not reachable');
    return { session: this.#session, state };
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, line, send } = this.#deps;
    for (let failures = 0; !signal.aborted; failures++) {
      const begunMs = clock.monotonicMs();
      const why = await this.#serve(signal);
      if (signal.aborted) return;
      this.outbox.flush();
      const quietMs = this.#heardMs === undefined ? 0 : clock.monotonicMs() - this.#heardMs;
      send({ op: 'down', line, why, quietMs });
      if (clock.monotonicMs() - begunMs >= STABLE_MS) failures = 0;
      const wait = Math.min(SLOWEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10));
      await delay(clock, wait * (0.5 + 0.5 * Math.random()), { signal }).catch(() => undefined);
    }
  }

  /** Connects and stays until something ends it. @returns what it was, as a sentence */
  async #serve(signal: AbortSignal): Promise<string> {
    const { server, clock } = this.#deps;
    const controller = new AbortController();
    let why = 'the line is being stopped';
    const end = (reason: string) => {
      if (!controller.signal.aborted) why = reason;
      controller.abort(new UnavailableError('DEVICE_OFFLINE', reason));
    };
    const ended = new Promise((resolve) =>
      controller.signal.addEventListener('abort', resolve, { once: true }),
    );
    const stop = () => controller.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    const limitMs = CONNECT_STEPS * server.timeoutMs;
    const limit = () => clock.after(limitMs, () => end(`no session within ${limitMs} ms`));
    let cancelLimit = limit();
    const attempt: Attempt = {
      signal: controller.signal,
      end,
      untimed: async (work) => {
        cancelLimit();
        try {
          return await work();
        } finally {
          if (!controller.signal.aborted) cancelLimit = limit();
        }
      },
    };
    const client = new Promise<OPCUAClient | undefined>((opened) => {
      this.#open(attempt, opened)
        .catch((error: unknown) => {
          opened(undefined);
          end(error instanceof Error ? error.message : String(error));
        })
        .finally(() => cancelLimit());
    });
    await ended;
    cancelLimit();
    signal.removeEventListener('abort', stop);
    this.#session = undefined;
    await this.#sayGoodbye(await client);
    return why;
  }

  async #open(attempt: Attempt, opened: (client: OPCUAClient) => void): Promise<void> {
    const { server, certificates } = this.#deps;
    const candidates = await certificates.own();
    const own = candidates[this.#certificate % candidates.length] ?? candidates[0];
    const store = await certificates.open();
    attempt.signal.throwIfAborted();
    const client = createClient(server, { store, own });
    opened(client);
    client.on('close', (error) => attempt.end(error?.message ?? 'the connection was closed'));
    client.on('connection_lost', () => attempt.end('the connection was lost'));
    try {
      await client.connect(server.url);
      const session = await createSession(client, server.user);
      session.on('session_closed', (status) => attempt.end(`the session was closed: ${status.toString()}`));
      await this.#fill(session, attempt);
      this.#session = session;
    } catch (error) {
      // A server that refuses our new certificate may still know the one before.
      this.#certificate = (this.#certificate + 1) % candidates.length;
      return attempt.end(explain(error, { store, own, user: server.user }));
    }
    if (!attempt.signal.aborted) this.#opened(attempt, { store, own, newest: candidates[0] });
  }

  /** What was missed first, then what comes. */
  async #fill(session: ClientSession, attempt: Attempt): Promise<void> {
    const { server, clock, line, send } = this.#deps;
    const { signal, end } = attempt;
    const log = (message: string) => send({ op: 'note', line, message });
    const limits = await readLimits(session);
    const points = [...this.#states.values()].filter(({ point }) => point.callOn === undefined);
    const heardMs = this.#heardMs;
    let recovered = 0;
    if (heardMs !== undefined) {
      const { outbox } = this;
      const maxMs = server.backfillMs;
      recovered = await attempt.untimed(() =>
        backfill({ session, clock, limits, points, outbox, maxMs, signal, log }),
      );
    }
    const forMs = heardMs === undefined ? 0 : clock.monotonicMs() - heardMs;
    await monitor({
      ...{ session, clock, limits, points, signal, end, log, events: server.events },
      onHeard: () => {
        this.#heardMs = clock.monotonicMs();
      },
      onValue: (state, received) => this.#take(state, received),
      onEvent: (event) => send({ op: 'event', line, event }),
      onConditions: (device, active) => send({ op: 'conditions', line, device, active }),
    });
    signal.throwIfAborted();
    this.#heardMs = clock.monotonicMs();
    this.outbox.flush();
    send({ op: 'up', line, ...(heardMs === undefined ? {} : { gap: { forMs, recovered } }) });
  }

  #take(state: PointState, received: ReceivedValue): void {
    const atMs = (received.sourceTimestamp ?? received.serverTimestamp)?.getTime();
    if (atMs !== undefined && atMs > state.lastSourceMs) state.lastSourceMs = atMs;
    pushValue(this.outbox.batch, state.point, received, this.#deps.clock.wallMs());
    this.outbox.pushed();
  }

  #opened(
    { signal, end }: Attempt,
    {
      store,
      own,
      newest,
    }: { readonly store: ServerTrust; readonly own: OwnCertificateFile; readonly newest: OwnCertificateFile },
  ): void {
    const { clock, certificates, line, send, server } = this.#deps;
    this.#certificate = 0;
    if (server.security === 'None') return;
    if (own !== newest) {
      const until = new Date(own.validToMs).toISOString();
      const message = `the server does not trust our new certificate ${newest.thumbprint} yet; the one before ends ${until}`;
      send({ op: 'note', line, message });
    }
    const check = async () => {
      if (!(await store.acceptsStill()))
        end(store.refusal ?? "the server's certificate is no longer trusted");
      const [now] = await certificates.own();
      if (now.thumbprint !== newest.thumbprint) end('our own certificate was renewed');
    };
    const cancel = every(clock, CERTIFICATES_EVERY_MS, () => {
      // A disk that cannot be read now is no reason to give up a connection that works.
      check().catch((error: unknown) => send({ op: 'log', message: String(error) }));
    });
    signal.addEventListener('abort', cancel, { once: true });
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
