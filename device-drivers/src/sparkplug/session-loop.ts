import {
  type Clock,
  delay,
  describeError,
  type Lifecycle,
  type Logger,
  MillwrightError,
} from '@millwright/protocol';
import type { Session, SparkplugServer, Will } from './session.ts';

/** Who speaks in the sessions: an edge node or a host application. */
export interface SessionUser {
  /** Asked before every CONNECT. */
  will(server: number): Promise<Will>;
  /** A session is there: subscribe, then announce yourself. Failing ends the session. */
  begin(session: Session, server: number): Promise<void>;
  onMessage(topic: string, payload: Uint8Array, retained: boolean): void;
  /** The session is gone, or none came about. */
  lost(why: string): void;
  /** Called before the session is ended on purpose: publish the death certificate. */
  farewell(session: Session): Promise<void>;
}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
/** An end on purpose must not wait for a broker that does not answer. */
const FAREWELL_MS = 2000;

export interface SessionLoopDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** 0 ≤ n < 1; spreads the reconnects of many gateways. */
  readonly random?: (() => number) | undefined;
}

/**
 * One session after another, for ever, with bounded and jittered pauses: at one server at a time, and at the next of
 * the list when one cannot be reached.
 */
export class SessionLoop implements Lifecycle {
  readonly #deps: SessionLoopDeps;
  readonly #servers: readonly SparkplugServer[];
  readonly #user: SessionUser;
  readonly #withWill: boolean;
  #stopping: AbortController | undefined;
  #running: Promise<void> | undefined;
  #leave: ((reason: 'elsewhere') => void) | undefined;
  #reported = false;

  /** @param options.withWill an MQTT 5 DISCONNECT asks for the will */
  constructor(
    deps: SessionLoopDeps,
    servers: readonly SparkplugServer[],
    user: SessionUser,
    options: { readonly withWill: boolean },
  ) {
    this.#deps = deps;
    this.#servers = servers;
    this.#user = user;
    this.#withWill = options.withWill;
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    this.#stopping = new AbortController();
    this.#running = this.#run(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping?.abort();
    await this.#running;
    this.#running = undefined;
  }

  /** Ends the session on purpose and goes to the next server, or to the same one when there is no other. */
  moveOn(): void {
    this.#leave?.('elsewhere');
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, random = Math.random } = this.#deps;
    for (let at = 0, failures = 0; !signal.aborted; ) {
      const ended = await this.#session(at % this.#servers.length, signal);
      if (ended === 'stopped') return;
      if (ended === 'version') continue;
      if (ended !== 'lost') at++;
      failures = ended === 'refused' ? failures + 1 : 0;
      const ceiling = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 16));
      await delay(clock, ceiling * (0.5 + random() / 2), { signal }).catch(() => undefined);
    }
  }

  async #session(
    at: number,
    signal: AbortSignal,
  ): Promise<'lost' | 'elsewhere' | 'refused' | 'stopped' | 'version'> {
    const server = this.#servers[at];
    if (server === undefined) return 'stopped';
    const over = Promise.withResolvers<'lost' | 'elsewhere' | 'stopped'>();
    const stop = () => over.resolve('stopped');
    let session: Session;
    try {
      const will = await this.#user.will(at);
      session = await server.open(
        will,
        {
          onMessage: (topic, payload, retained) => this.#user.onMessage(topic, payload, retained),
          onClosed: (why) => {
            this.#down(server, why);
            over.resolve('lost');
          },
        },
        { signal },
      );
    } catch (error) {
      if (signal.aborted) return 'stopped';
      if (error instanceof MillwrightError && error.code === 'MQTT_VERSION') return 'version';
      this.#down(server, describeError(error));
      return 'refused';
    }
    signal.addEventListener('abort', stop, { once: true });
    this.#leave = over.resolve;
    try {
      if (signal.aborted) stop();
      else await Promise.race([this.#user.begin(session, at), over.promise]);
      if (!signal.aborted) this.#up(server);
      const ended = await over.promise;
      if (ended !== 'lost') await this.#end(session, true);
      return ended;
    } catch (error) {
      await this.#end(session, false);
      if (signal.aborted) return 'stopped';
      this.#down(server, describeError(error));
      return 'refused';
    } finally {
      this.#leave = undefined;
      signal.removeEventListener('abort', stop);
    }
  }

  async #end(session: Session, isOrderly: boolean): Promise<void> {
    const { clock } = this.#deps;
    if (isOrderly) {
      let cancel: (() => void) | undefined;
      const late = new Promise<void>((resolve) => {
        cancel = clock.after(FAREWELL_MS, resolve);
      });
      await Promise.race([this.#user.farewell(session).catch(() => undefined), late]);
      cancel?.();
    }
    await session.end({ withWill: this.#withWill });
  }

  #up(server: SparkplugServer): void {
    if (this.#reported) this.#deps.logger.info({ broker: server.name }, 'Sparkplug broker is back');
    this.#reported = false;
  }

  #down(server: SparkplugServer, why: string): void {
    if (!this.#reported) {
      this.#reported = true;
      this.#deps.logger.warn({ broker: server.name, why }, 'Sparkplug broker cannot be reached; trying on');
    }
    this.#user.lost(why);
  }
}
