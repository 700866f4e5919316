import {
  type DeviceSlug,
  InvalidInputError,
  type PointId,
  SampleBatch,
  UnavailableError,
  type Value,
} from '@millwright/protocol';
import type { Driver, DriverDeps, DriverDevice } from '../driver.ts';
import type { ModbusBus, Outcome } from './bus.ts';
import { decodeInto, type MappedPoint } from './codec.ts';
import { type Encoded, encode } from './encode.ts';
import { exceptionOf, isWorthRepeating, offline, refusal, unconfirmed } from './exception.ts';
import { LineMemory } from './line-memory.ts';
import { LineSchedule, type LineScheduleConfig } from './line-schedule.ts';
import { PolledDevice } from './polled-device.ts';
import { Reporter } from './reporter.ts';
import { type Request, RequestQueue } from './request-queue.ts';

export interface ModbusLineDeps extends DriverDeps {
  readonly bus: ModbusBus;
  readonly random?: () => number;
}

export interface ModbusLineConfig extends LineScheduleConfig {
  /** Names the line where something about it is kept. */
  readonly line: string;
}

interface Run {
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

/** All units behind one connection. */
export class ModbusLine implements Driver {
  readonly #bus: ModbusBus;
  readonly #devices: readonly PolledDevice[];
  readonly #requests: RequestQueue;
  readonly #memory: LineMemory;
  readonly #schedule: LineSchedule;
  readonly #single = new SampleBatch(1);
  #run: Run | undefined;
  #stopping: Promise<void> = Promise.resolve();

  constructor(devices: readonly DriverDevice<'modbus'>[], deps: ModbusLineDeps, config: ModbusLineConfig) {
    const { bus, clock, logger, random = Math.random } = deps;
    this.#bus = bus;
    const mostPoints = Math.max(...devices.map((device) => device.numbers.size));
    const reporter = new Reporter(deps, mostPoints);
    this.#devices = devices.map((device) => new PolledDevice(device, { reporter, random }));
    this.#requests = new RequestQueue(bus.name);
    this.#memory = new LineMemory({ clock, logger }, { line: config.line, stateDir: deps.stateDir });
    this.#schedule = new LineSchedule(
      { clock, logger, bus, random, devices: this.#devices, requests: this.#requests, memory: this.#memory },
      config,
    );
  }

  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    options.signal?.throwIfAborted();
    if (this.#run !== undefined) return;
    const abort = new AbortController();
    this.#run = { abort, done: this.#stopping.then(() => this.#schedule.serve(abort.signal)) };
  }

  async stop(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    if (run !== undefined) {
      run.abort.abort(stopped());
      this.#bus.close();
      this.#schedule.wake();
      for (const request of this.#requests.drain()) request.cancel(stopped());
      this.#stopping = run.done.then(() => this.#memory.flush());
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
    const encoded = encodeFor(slug, id, point, value);
    const outcome = await this.#ask(device, signal, () =>
      this.#bus.write(device.target, point.address, encoded),
    );
    if (outcome.ok) return;
    if (outcome.why !== 'exception') throw unconfirmed(slug, id, 'sent but not confirmed');
    const isBegun = exceptionOf(outcome.code) === 'busy' && !isWorthRepeating(outcome.code);
    throw isBegun ? unconfirmed(slug, id, 'accepted but is not finished') : refusal(slug, id, outcome.code);
  }

  describeWrite(slug: DeviceSlug, id: PointId, value: Value): string {
    const { device, point } = this.#find(slug, id);
    const encoded = encodeFor(slug, id, point, value);
    const where = `unit ${device.target.unit}, ${point.table} ${point.address}`;
    if (encoded.to === 'coil') return `${where} = ${encoded.on ? 'on' : 'off'}`;
    return `${where} = ${encoded.words.map((word) => word.toString(16).padStart(4, '0')).join(' ')} (hex)`;
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
  #ask(
    device: PolledDevice,
    signal: AbortSignal,
    run: () => Promise<Outcome<unknown>>,
  ): Promise<Outcome<unknown>> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (this.#run === undefined || device.state !== 'up' || !this.#bus.isOpen) {
        return reject(offline(device.slug, 'the device is not reachable'));
      }
      const abort = () => {
        this.#requests.remove(request);
        reject(signal.reason);
      };
      const request: Request = {
        device,
        tries: 0,
        run,
        finish: (outcome) => {
          signal.removeEventListener('abort', abort);
          resolve(outcome);
        },
        cancel: (error) => {
          signal.removeEventListener('abort', abort);
          reject(error);
        },
      };
      this.#requests.add(request);
      signal.addEventListener('abort', abort, { once: true });
      this.#schedule.wake();
    });
  }
}

function stopped(): UnavailableError {
  return new UnavailableError('DEVICE_OFFLINE', 'the line is being stopped');
}

/** @throws InvalidInputError when the point cannot be written, or not with this value */
function encodeFor(slug: DeviceSlug, id: PointId, point: MappedPoint, value: Value): Encoded {
  if (point.table === 'input' || point.table === 'discrete') {
    throw new InvalidInputError(
      'POINT_READ_ONLY',
      `${slug}: the table "${point.table}" of "${id}" can only be read`,
    );
  }
  return encode(point, value);
}
