import {
  bad,
  type DeviceSlug,
  describeError,
  every,
  InvalidInputError,
  type PointId,
  type PointNo,
  SampleBatch,
  type Value,
} from '@millwright/protocol';
import type { Driver, DriverDeps, DriverDevice } from '../driver.ts';
import { type HostMetric, type Reading, type Source, sourcesOf } from './sources.ts';

/** @see Driver */
export class HostDriver implements Driver {
  readonly #deps: DriverDeps;
  readonly #devices: readonly DriverDevice<'host'>[];
  #watches: Watch[] = [];

  constructor(devices: readonly DriverDevice<'host'>[], deps: DriverDeps) {
    this.#devices = devices;
    this.#deps = deps;
  }

  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    options.signal?.throwIfAborted();
    if (this.#watches.length > 0) return;
    this.#watches = this.#devices.map((device) => new Watch(device, this.#deps));
  }

  async stop(): Promise<void> {
    for (const watch of this.#watches.splice(0)) watch.end();
  }

  async write(
    device: DeviceSlug,
    point: PointId,
    _value: Value,
    options: { readonly signal: AbortSignal },
  ): Promise<void> {
    options.signal.throwIfAborted();
    this.#metric(device, point);
    throw new InvalidInputError('NOT_WRITABLE', `point "${point}" of "${device}" tells about this machine`);
  }

  /** @returns for a rate the latest one; null where there is no value */
  async read(
    device: DeviceSlug,
    point: PointId,
    options: { readonly signal: AbortSignal },
  ): Promise<Value | null> {
    options.signal.throwIfAborted();
    const metric = this.#metric(device, point);
    const watch = this.#watches.find((candidate) => candidate.slug === device);
    return watch === undefined ? null : watch.readNow(metric);
  }

  #metric(device: DeviceSlug, point: PointId): HostMetric {
    const spec = this.#devices.find((candidate) => candidate.spec.id === device)?.spec;
    if (spec === undefined)
      throw new InvalidInputError('UNKNOWN_DEVICE', `there is no device "${device}" here`);
    const metric = spec.points[point]?.metric;
    if (metric === undefined) {
      throw new InvalidInputError('UNKNOWN_POINT', `device "${device}" has no point "${point}"`);
    }
    return metric;
  }
}

interface Wanted {
  readonly source: Source;
  /** Point number and place in the source's readings. */
  readonly points: readonly { readonly no: PointNo; readonly index: number }[];
  busy: boolean;
  faulty: boolean;
}

/** One device's regular look at the machine. A source that hangs holds up nobody but itself. */
class Watch {
  readonly slug: DeviceSlug;
  readonly #deps: DriverDeps;
  readonly #wanted: Wanted[] = [];
  readonly #batch: SampleBatch;
  readonly #last = new Map<HostMetric, number>();
  readonly #absent = new Set<PointNo>();
  readonly #cancel: () => void;
  #online = false;
  #ended = false;

  constructor({ spec, numbers }: DriverDevice<'host'>, deps: DriverDeps) {
    this.slug = spec.id;
    this.#deps = deps;
    this.#batch = new SampleBatch(Math.max(1, numbers.size));
    const { disk, every: everyMs } = spec.connect;
    for (const source of sourcesOf({ clock: deps.clock, disk, platform: process.platform })) {
      const points = [...numbers].flatMap(([id, no]) => {
        const metric = spec.points[id]?.metric;
        const index = metric === undefined ? -1 : source.metrics.indexOf(metric);
        return index < 0 ? [] : [{ no, index }];
      });
      if (points.length > 0) this.#wanted.push({ source, points, busy: false, faulty: false });
    }
    this.#cancel = every(deps.clock, everyMs, () => this.#look());
    this.#look();
  }

  end(): void {
    this.#ended = true;
    this.#cancel();
  }

  async readNow(metric: HostMetric): Promise<number | null> {
    const source = this.#wanted.find((wanted) => wanted.source.metrics.includes(metric))?.source;
    if (source === undefined || source.rates) return this.#last.get(metric) ?? null;
    const reading = (await source.read())[source.metrics.indexOf(metric)];
    return typeof reading === 'number' ? reading : null;
  }

  #look(): void {
    for (const wanted of this.#wanted) {
      if (wanted.busy) continue;
      wanted.busy = true;
      wanted.source.read().then(
        (readings) => this.#take(wanted, readings),
        (error) => this.#fail(wanted, error),
      );
    }
  }

  #take(wanted: Wanted, readings: readonly Reading[]): void {
    wanted.busy = false;
    if (this.#ended) return;
    if (wanted.faulty) {
      wanted.faulty = false;
      this.#deps.logger.info({ metrics: wanted.source.metrics }, 'this machine can be read again');
    }
    const nowMs = this.#deps.clock.wallMs();
    for (const { no, index } of wanted.points) {
      const reading = readings[index] ?? 'absent';
      if (reading === 'absent') this.#pushAbsent(no, nowMs, 'sensor-fault');
      else if (reading !== 'unknown') {
        this.#absent.delete(no);
        const metric = wanted.source.metrics[index];
        if (metric !== undefined) this.#last.set(metric, reading);
        this.#batch.pushNumber(no, nowMs, nowMs, reading);
      }
    }
    this.#pass();
  }

  #fail(wanted: Wanted, error: unknown): void {
    wanted.busy = false;
    if (this.#ended) return;
    const nowMs = this.#deps.clock.wallMs();
    for (const { no } of wanted.points) this.#pushAbsent(no, nowMs, 'device-error');
    this.#pass();
    if (wanted.faulty) return;
    wanted.faulty = true;
    const { metrics } = wanted.source;
    this.#deps.logger.warn({ metrics, why: describeError(error) }, 'this machine cannot be read');
  }

  /** Says once that there is no value, not at every look. */
  #pushAbsent(no: PointNo, nowMs: number, why: 'sensor-fault' | 'device-error'): void {
    if (this.#absent.has(no)) return;
    this.#absent.add(no);
    this.#batch.pushNull(no, nowMs, nowMs, bad(why));
  }

  #pass(): void {
    if (!this.#online) {
      this.#online = true;
      this.#deps.onState(this.slug, { online: true });
    }
    if (this.#batch.length === 0) return;
    this.#deps.sink(this.#batch);
    this.#batch.clear();
  }
}
