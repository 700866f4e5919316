import {
  type Clock,
  type DeviceSlug,
  describeError,
  InvalidInputError,
  LimitError,
  type PointId,
  SampleBatch,
  UnavailableError,
  type Value,
} from '@millwright/protocol';
import type { Driver, DriverDeps, DriverDevice } from '../driver.ts';
import type { ModbusBus, Outcome } from './bus.ts';
import { decodeInto, encode, type MappedPoint } from './codec.ts';
import { type LineLoad, PolledDevice } from './polled-device.ts';
import { offline, refusal } from './refusal.ts';
import { Reporter } from './reporter.ts';

const FIRST_RETRY_MS = 100;
const SLOWEST_RETRY_MS = 5000;
/** A lost connection is opened again once before anybody is told. */
const SILENT_CONNECTIONS_UNTIL_DOWN = 2;
/** Requests in a row without an answer from anyone: the connection itself is suspected. */
const MISSES_UNTIL_RECONNECT = 5;
/** Timers hold no infinity. */
const LONGEST_SLEEP_MS = 60_000;
const MAX_QUEUED_REQUESTS = 1000;
/** Requests of people and rules go first, but after this many in a row one poll gets its turn. */
const MAX_REQUESTS_IN_A_ROW = 8;

export interface ModbusLineDeps extends DriverDeps {
  readonly bus: ModbusBus;
  /** RTU answers carry no transaction id. */
  readonly hasTransactionIds: boolean;
  readonly random?: () => number;
}

/** A write or a read past the cache, waiting for its turn. */
interface Request {
  readonly device: PolledDevice;
  /** Makes the request; never rejects. */
  run(): Promise<Outcome<unknown>>;
  cancel(error: unknown): void;
}

interface Run {
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

/**
 * All units behind one connection. One request is made at a time: a write or read asked for goes before
 * the polls, the polls take turns among the units, so that no unit waits for another's whole scan.
 */
export class ModbusLine implements Driver, LineLoad {
  readonly #bus: ModbusBus;
  readonly #clock: Clock;
  readonly #reporter: Reporter;
  readonly #random: () => number;
  readonly #hasTransactionIds: boolean;
  readonly #devices: readonly PolledDevice[];
  readonly #requests: Request[] = [];
  readonly #single = new SampleBatch(1);
  #requestsInARow = 0;
  #turn = 0;
  /** Connections in a row, tried or opened, on which nobody has answered. */
  #silentConnections = 0;
  #misses = 0;
  #wake: () => void = () => undefined;
  #run: Run | undefined;
  #stopping: Promise<void> = Promise.resolve();

  constructor(devices: readonly DriverDevice<'modbus'>[], deps: ModbusLineDeps) {
    this.#bus = deps.bus;
    this.#clock = deps.clock;
    this.#random = deps.random ?? Math.random;
    this.#hasTransactionIds = deps.hasTransactionIds;
    const mostPoints = Math.max(...devices.map((device) => device.numbers.size));
    this.#reporter = new Reporter(deps, mostPoints);
    this.#devices = devices.map(
      (device) => new PolledDevice(device, { reporter: this.#reporter, random: this.#random }),
    );
  }

  get deadTimeoutsMs(): number {
    return this.#devices.reduce(
      (sum, { state, target }) => sum + (state === 'down' ? target.timeoutMs : 0),
      0,
    );
  }

  get hasLiveDevices(): boolean {
    return this.#devices.some((device) => device.state === 'up');
  }

  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    options.signal?.throwIfAborted();
    if (this.#run !== undefined) return;
    this.#silentConnections = 0;
    const abort = new AbortController();
    const before = this.#stopping;
    for (const device of this.#devices) device.reset(this.#clock.monotonicMs());
    this.#run = { abort, done: before.then(() => this.#serve(abort.signal)) };
  }

  async stop(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    if (run !== undefined) {
      run.abort.abort(stopped());
      this.#bus.close();
      this.#wake();
      for (const request of this.#requests.splice(0)) request.cancel(stopped());
      this.#stopping = run.done;
    }
    await this.#stopping;
  }

  async write(
    slug: DeviceSlug,
    id: PointId,
    value: Value,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<void> {
    const { device, point } = this.#find(slug, id);
    if (point.table === 'input' || point.table === 'discrete') {
      throw new InvalidInputError(
        'POINT_READ_ONLY',
        `${slug}: the table "${point.table}" of "${id}" can only be read`,
      );
    }
    const encoded = encode(point, value);
    const outcome = await this.#ask(device, signal, () =>
      this.#bus.write(device.target, point.address, encoded),
    );
    if (outcome.ok) return;
    if (outcome.why === 'exception') throw refusal(slug, id, outcome.code);
    throw new UnavailableError(
      'WRITE_UNCONFIRMED',
      `${slug}: the write of "${id}" was sent but not confirmed`,
      {
        retry: 'never',
        hint: 'the device may have taken the value: read it before you write again',
      },
    );
  }

  async read(slug: DeviceSlug, id: PointId, { signal }: { readonly signal: AbortSignal }): Promise<Value> {
    const { device, point } = this.#find(slug, id);
    const { address, width, table } = point;
    let value: Value = null;
    const outcome = await this.#ask(device, signal, async () => {
      const answer = await this.#bus.read(device.target, table, address, width);
      if (answer.ok) {
        this.#single.clear();
        decodeInto(this.#single, point, answer.data, address, 0);
        value = this.#single.valueAt(0);
      }
      return answer;
    });
    if (!outcome.ok) {
      if (outcome.why === 'exception') throw refusal(slug, id, outcome.code);
      throw offline(slug, `no valid answer within ${device.target.timeoutMs} ms`);
    }
    if (value === null) {
      throw new UnavailableError('VALUE_BAD', `${slug}: what the device holds in "${id}" is no ${point.as}`);
    }
    return value;
  }

  #find(slug: DeviceSlug, id: PointId): { device: PolledDevice; point: MappedPoint } {
    const device = this.#devices.find((candidate) => candidate.slug === slug);
    const point = device?.points.get(id);
    if (device === undefined || point === undefined) {
      throw new InvalidInputError(
        'POINT_UNKNOWN',
        `there is no point "${id}" of a device "${slug}" on this line`,
      );
    }
    return { device, point };
  }

  /** Queues a request in front of the polls. Once sent it is seen through, whatever the signal says. */
  #ask<T>(device: PolledDevice, signal: AbortSignal, make: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (this.#run === undefined || device.state !== 'up' || !this.#bus.isOpen) {
        return reject(offline(device.slug, 'the device is not reachable'));
      }
      if (this.#requests.length >= MAX_QUEUED_REQUESTS) {
        const waiting = `${MAX_QUEUED_REQUESTS} requests wait for ${this.#bus.name} already`;
        return reject(new LimitError('LINE_BUSY', waiting, { retry: 'backoff' }));
      }
      const cancel = (error: unknown) => {
        signal.removeEventListener('abort', abort);
        reject(error);
      };
      const request: Request = {
        device,
        cancel,
        run: async () => {
          const outcome = await make();
          signal.removeEventListener('abort', abort);
          resolve(outcome);
          return outcome;
        },
      };
      const abort = () => {
        const at = this.#requests.indexOf(request);
        if (at !== -1) this.#requests.splice(at, 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#requests.push(request);
      this.#wake();
    });
  }

  async #serve(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (!this.#bus.isOpen) {
        await this.#connect(signal);
        continue;
      }
      const nowMs = this.#clock.monotonicMs();
      const request = this.#nextRequest(nowMs);
      if (request !== undefined) {
        const outcome = await request.run();
        if (!signal.aborted) this.#settleRequest(request.device, outcome);
        continue;
      }
      const device = this.#nextDevice(nowMs);
      const block = device?.due(nowMs);
      if (device === undefined || block === undefined) {
        await this.#sleep(this.#dueAtMs() - nowMs);
        continue;
      }
      const outcome = await this.#bus.read(device.target, block.table, block.address, block.width);
      if (signal.aborted) return;
      const settledMs = this.#clock.monotonicMs();
      device.settle(block, outcome, settledMs, this);
      this.#note(device, outcome, settledMs);
    }
  }

  /** Whose turn it is among those with something due. */
  #nextDevice(nowMs: number): PolledDevice | undefined {
    const count = this.#devices.length;
    for (let i = 0; i < count; i++) {
      const turn = (this.#turn + i) % count;
      const device = this.#devices[turn];
      if (device === undefined || device.dueAtMs() > nowMs) continue;
      this.#turn = (turn + 1) % count;
      this.#requestsInARow = 0;
      return device;
    }
    return undefined;
  }

  #nextRequest(nowMs: number): Request | undefined {
    if (this.#requestsInARow >= MAX_REQUESTS_IN_A_ROW && this.#pollDueAtMs() <= nowMs) return undefined;
    const at = this.#requests.findIndex((waiting) => waiting.device.quietUntilMs <= nowMs);
    const [request] = at === -1 ? [] : this.#requests.splice(at, 1);
    if (request === undefined) return undefined;
    this.#requestsInARow++;
    if (request.device.state === 'up') return request;
    request.cancel(offline(request.device.slug, 'the device stopped answering'));
    return this.#nextRequest(nowMs);
  }

  #settleRequest(device: PolledDevice, outcome: Outcome<unknown>): void {
    const nowMs = this.#clock.monotonicMs();
    if (outcome.ok || outcome.why === 'exception') device.answered(nowMs);
    else if (outcome.why !== 'closed')
      device.missed(outcome.why === 'timeout' ? 'timeout' : 'device-error', nowMs, this);
    this.#note(device, outcome, nowMs);
  }

  /** What an outcome says about the connection, beyond the one device. */
  #note(device: PolledDevice, outcome: Outcome<unknown>, nowMs: number): void {
    if (outcome.ok || outcome.why === 'exception') {
      this.#silentConnections = 0;
      this.#misses = 0;
      return;
    }
    if (outcome.why === 'closed') return;
    if (!this.#hasTransactionIds) device.keepQuiet(nowMs + device.target.timeoutMs);
    this.#misses++;
    if (this.#misses < MISSES_UNTIL_RECONNECT) return;
    this.#misses = 0;
    this.#bus.close();
  }

  async #connect(signal: AbortSignal): Promise<void> {
    if (this.#silentConnections > 0) await this.#sleep(this.#retryMs());
    if (signal.aborted) return;
    this.#silentConnections++;
    try {
      await this.#bus.open({ signal, onClose: (why) => this.#lost(why) });
    } catch (error) {
      if (signal.aborted) return;
      for (const device of this.#devices) device.lost(describeError(error), 'disconnected');
      return;
    }
    if (signal.aborted) return this.#bus.close();
    this.#misses = 0;
    for (const device of this.#devices) device.lineIsBack(this.#clock.monotonicMs());
  }

  #lost(why: string): void {
    if (this.#silentConnections >= SILENT_CONNECTIONS_UNTIL_DOWN) {
      for (const device of this.#devices) device.lost(why, 'disconnected');
    }
    for (const request of this.#requests.splice(0)) request.cancel(offline(request.device.slug, why));
    this.#wake();
  }

  #retryMs(): number {
    const grown = FIRST_RETRY_MS * 2 ** Math.min(this.#silentConnections - 1, 10);
    return Math.min(SLOWEST_RETRY_MS, grown) * (0.5 + 0.5 * this.#random());
  }

  /** When a poll falls due or a waiting request may be made. */
  #dueAtMs(): number {
    let least = this.#pollDueAtMs();
    for (const { device } of this.#requests) least = Math.min(least, device.quietUntilMs);
    return least;
  }

  #pollDueAtMs(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const device of this.#devices) least = Math.min(least, device.dueAtMs());
    return least;
  }

  /** Ends early when there is something new to do. */
  #sleep(forMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(Math.min(forMs, LONGEST_SLEEP_MS), () => this.#wake());
      this.#wake = () => {
        this.#wake = () => undefined;
        cancel();
        resolve();
      };
    });
  }
}

function stopped(): UnavailableError {
  return new UnavailableError('DEVICE_OFFLINE', 'the line is being stopped');
}
