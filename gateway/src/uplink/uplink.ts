import {
  type Clock,
  delay,
  describeError,
  enrolTokenDigest,
  InvalidInputError,
  type JournalPosition,
  type Lifecycle,
  type Logger,
  MillwrightError,
  PROTOCOLS,
  parseEnrolToken,
  UnauthorizedError,
  UnavailableError,
  UplinkDown,
  UplinkUp,
  withDeadline,
} from '@millwright/protocol';
import type { Host, HostConnection } from '@millwright/protocol/node';
import type { Journal } from '../journal/journal.ts';
import { Backoff } from './backoff.ts';
import { CommandDesk } from './command-desk.ts';
import { type Enrolment, enrol, readEnrolment, writeEnrolment } from './enrolment.ts';
import { EntryLane } from './entry-lane.ts';
import { LiveLane } from './live-lane.ts';
import type {
  AlarmHandler,
  CatalogSource,
  CommandHandler,
  DeviceStatusSource,
  GatewayFacts,
  LiveSource,
  UplinkState,
} from './ports.ts';

const DIAL_WITHIN_MS = 25_000;
/** A connection that lasted so long was a good one. */
const STABLE_AFTER_MS = 10_000;
/** With wrong credentials only an operator can help: ask the region rarely, look at the token often. */
const REAUTH_EVERY_MS = 60_000;
const TOKEN_LOOK_EVERY_MS = 2_000;

export interface UplinkDeps {
  readonly host: Host;
  readonly journal: Journal;
  readonly catalog: CatalogSource;
  readonly devices: DeviceStatusSource;
  readonly live: LiveSource;
  readonly commands: CommandHandler;
  /** What people ask of alarms; absent: nothing can be asked. */
  readonly alarms?: AlarmHandler;
  readonly facts: GatewayFacts;
  /** Told to the region once, at enrolment. */
  readonly hardware: Readonly<Record<string, string>>;
  /** The enrolment token as it is now; undefined when there is none. See `tokenFile`. */
  readonly readToken: () => Promise<string | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Uniform in [0, 1); spreads reconnects. @default Math.random */
  readonly random?: () => number;
}

export interface UplinkConfig {
  /** Where `enrolment.json` is kept. */
  readonly stateDir: string;
  /** Where the region is, `host:port` or multiaddr, in order of preference; empty = where it was at enrolment. */
  readonly addresses: readonly string[];
}

/** For the status page and metrics; counted since the process started. */
export interface UplinkCounters {
  /** The region holds everything up to here; null = unknown or nothing. */
  readonly acked: JournalPosition | null;
  /** Sealed entries the region has not acknowledged. */
  readonly lagEntries: number;
  readonly connections: number;
  readonly entriesSent: number;
  readonly entryBytesSent: number;
  readonly liveFramesSent: number;
  readonly liveBytesSent: number;
}

/**
 * Keeps the gateway connected to its region, whatever happens to the link: enrols when it must, sends the journal in
 * order and the newest values beside it, and takes the region's commands.
 */
export class Uplink implements Lifecycle {
  readonly #deps: UplinkDeps;
  readonly #config: UplinkConfig;
  readonly #backoff: Backoff;
  readonly #desk: CommandDesk;
  readonly #counters = {
    connections: 0,
    entriesSent: 0,
    entryBytesSent: 0,
    liveFramesSent: 0,
    liveBytesSent: 0,
  };
  #state: UplinkState = { state: 'stopped' };
  #acked: JournalPosition | null = null;
  #enrolment: Enrolment | undefined;
  #acks = 0;
  #connectedAtMs: number | undefined;
  #isRefused = false;
  #triedToken: string | undefined;
  #isServing = false;
  #running: { readonly stop: AbortController; readonly done: Promise<void> } | undefined;

  constructor(deps: UplinkDeps, config: UplinkConfig) {
    this.#deps = deps;
    this.#config = config;
    this.#backoff = new Backoff({ random: deps.random ?? Math.random });
    this.#desk = new CommandDesk({
      ...deps,
      handler: deps.commands,
      alarms: deps.alarms,
      regionPeer: () => (this.#running === undefined ? undefined : this.#enrolment?.regionPeer),
    });
  }

  /** Returns at once: being without a region is a normal state of a gateway. The journal must have started. */
  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    options.signal?.throwIfAborted();
    if (this.#running !== undefined) return;
    if (!this.#isServing) this.#desk.serve();
    this.#isServing = true;
    this.#state = { state: 'connecting' };
    const stop = new AbortController();
    this.#running = { stop, done: this.#run(stop.signal) };
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    running?.stop.abort(new UnavailableError('STOPPED', 'the uplink was stopped'));
    await running?.done;
    this.#state = { state: 'stopped' };
  }

  get state(): UplinkState {
    return this.#state;
  }

  get counters(): UplinkCounters {
    const { firstSeq, lastSeq } = this.#deps.journal.stats();
    const ackedSeq = this.#acked?.epoch === this.#deps.journal.epoch ? this.#acked.seq : -1;
    return {
      ...this.#counters,
      acked: this.#acked,
      lagEntries: Math.max(0, lastSeq - Math.max(ackedSeq, firstSeq - 1)),
    };
  }

  async #run(signal: AbortSignal): Promise<void> {
    let toldCode: string | undefined;
    while (!signal.aborted) {
      const acksBefore = this.#acks;
      this.#connectedAtMs = undefined;
      const failure = await this.#connectOnce(signal).catch((error: unknown) => error);
      if (signal.aborted) return;
      const code = failure instanceof MillwrightError ? failure.code : 'UNEXPECTED';
      const why = describeError(failure);
      if (this.#connectedAtMs !== undefined) toldCode = undefined;
      if (toldCode !== code) this.#deps.logger.warn({ err: failure }, `no uplink: ${why}`);
      toldCode = code;
      this.#state = { state: 'connecting', why };
      this.#isRefused = failure instanceof MillwrightError && failure.retry === 'reauth';
      if (this.#hasLasted()) this.#backoff.reset();
      else if (this.#acks > acksBefore && code !== 'REPLACED') this.#backoff.progressed();
      await this.#pause(failure, signal).catch(() => undefined);
    }
  }

  #hasLasted(): boolean {
    const sinceMs = this.#connectedAtMs;
    return sinceMs !== undefined && this.#deps.clock.monotonicMs() - sinceMs > STABLE_AFTER_MS;
  }

  /** Connects, serves the connection until it fails, and rejects with the reason. */
  async #connectOnce(signal: AbortSignal): Promise<never> {
    const { clock, facts, hardware } = this.#deps;
    this.#enrolment ??= await readEnrolment(this.#config.stateDir);
    const token = await this.#tokenToTry();
    const regionPeer = token === undefined ? this.#enrolment?.regionPeer : parseEnrolToken(token).regionPeer;
    if (regionPeer === undefined) {
      throw new UnauthorizedError('NO_TOKEN', 'this gateway is not enrolled and has no token', {
        hint: 'issue one with "millwright region token" and put it into the token file',
      });
    }
    const { connection, address } = await this.#dial(regionPeer, signal);
    try {
      if (token !== undefined) {
        const answer = await enrol(connection, { token, facts, hardware }, { clock, signal });
        const enrolment: Enrolment = {
          version: 1,
          ...{ gateway: answer.gateway, region: answer.region, regionPeer },
          addresses: [address, ...this.#config.addresses.filter((other) => other !== address)],
          tokenDigest: enrolTokenDigest(token),
          enrolledAtMs: clock.wallMs(),
        };
        await writeEnrolment(this.#config.stateDir, enrolment);
        this.#enrolment = enrolment;
        this.#deps.logger.info({ region: answer.region }, 'enrolled');
      }
      return await this.#serve(connection, signal);
    } finally {
      await connection.close();
    }
  }

  /** The token to enrol with, wanted only without an enrolment or once the region has refused the one there is. */
  async #tokenToTry(): Promise<string | undefined> {
    if (this.#enrolment !== undefined && !this.#isRefused) return undefined;
    const token = await this.#unspentToken();
    this.#triedToken = token;
    return token;
  }

  async #unspentToken(): Promise<string | undefined> {
    const token = await this.#deps.readToken();
    const isSpent = token !== undefined && enrolTokenDigest(token) === this.#enrolment?.tokenDigest;
    return isSpent ? undefined : token;
  }

  async #dial(
    regionPeer: string,
    signal: AbortSignal,
  ): Promise<{ readonly connection: HostConnection; readonly address: string }> {
    const { host, clock } = this.#deps;
    const addresses =
      this.#config.addresses.length > 0 ? this.#config.addresses : (this.#enrolment?.addresses ?? []);
    let failure: unknown = new InvalidInputError('NO_REGION_ADDRESS', 'no address of the region is known', {
      hint: "name the region's address in the gateway's configuration",
    });
    for (const address of addresses) {
      try {
        const connection = await withDeadline(
          { clock, withinMs: DIAL_WITHIN_MS, what: `connecting to ${address}`, signal },
          (limit) => host.connect(address, { peerId: regionPeer, signal: limit }),
        );
        return { connection, address };
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
      }
    }
    throw failure;
  }

  async #serve(connection: HostConnection, signal: AbortSignal): Promise<never> {
    const { clock, logger, live } = this.#deps;
    const counters = this.#counters;
    const schemas = { receive: UplinkDown, send: UplinkUp };
    const channel = await connection.open(PROTOCOLS.uplink, schemas, { signal });
    const lane = new EntryLane({
      ...this.#deps,
      channel,
      onSent: ({ bytes }) => {
        counters.entriesSent += 1;
        counters.entryBytesSent += bytes;
      },
      onAcked: (position) => {
        this.#acked = position;
        this.#acks += 1;
      },
    });
    const welcome = await lane.open(signal);
    this.#acked = welcome.acked;
    counters.connections += 1;
    this.#connectedAtMs = clock.monotonicMs();
    this.#state = { state: 'connected', region: welcome.region, sinceMs: clock.wallMs() };
    logger.info({ region: welcome.region, acked: welcome.acked }, 'uplink is up');
    const liveLane = new LiveLane({
      ...{ connection, clock, logger, source: live },
      onSent: ({ bytes }) => {
        counters.liveFramesSent += 1;
        counters.liveBytesSent += bytes;
      },
    });
    const both = new AbortController();
    const stop = () => both.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    const sendingLive = liveLane.run(both.signal);
    try {
      return await lane.run(welcome, signal);
    } finally {
      both.abort();
      signal.removeEventListener('abort', stop);
      await sendingLive;
    }
  }

  async #pause(failure: unknown, signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    if (!(failure instanceof MillwrightError) || failure.retry !== 'reauth') {
      await delay(clock, this.#backoff.next(), { signal });
      return;
    }
    for (let waitedMs = 0; waitedMs < REAUTH_EVERY_MS; waitedMs += TOKEN_LOOK_EVERY_MS) {
      const token = await this.#unspentToken().catch(() => undefined);
      if (token !== undefined && token !== this.#triedToken) return;
      await delay(clock, TOKEN_LOOK_EVERY_MS, { signal });
    }
  }
}
