import {
  bad,
  type DeviceSlug,
  delay,
  describeError,
  InvalidInputError,
  type PointId,
  type PointNo,
  type QualityByte,
  SampleBatch,
  UnavailableError,
  type Value,
} from '@millwright/protocol';
import type { Driver, DriverDeps, DriverDevice } from '../driver.ts';
import { BlueprintAt, BlueprintConnect } from './config.ts';
import { Wire } from './wire.ts';

const LONGEST_PAUSE_MS = 30_000;

interface Point {
  readonly name: string;
  readonly as: string;
  readonly no: PointNo;
}

/** One device, read again and again. */
export class BlueprintDevice implements Driver {
  readonly #id: DeviceSlug;
  readonly #deps: DriverDeps;
  readonly #connect: BlueprintConnect;
  readonly #points: ReadonlyMap<PointId, Point>;
  readonly #batch: SampleBatch;
  readonly #wire: Wire;
  readonly #end = new AbortController();
  #running: Promise<void> | undefined;
  /** Unknown until the device has answered, or not, for the first time. */
  #online: boolean | undefined;

  constructor({ spec, numbers }: DriverDevice<'package'>, deps: DriverDeps) {
    this.#id = spec.id;
    this.#deps = deps;
    this.#connect = BlueprintConnect.parse(spec.connect);
    this.#points = new Map(
      [...numbers].map(([id, no]) => {
        const point = spec.points[id];
        return [id, { name: BlueprintAt.parse(point?.at), as: point?.as ?? 'float64', no }];
      }),
    );
    this.#batch = new SampleBatch(Math.max(1, this.#points.size));
    const { host, port, timeout: timeoutMs } = this.#connect;
    this.#wire = new Wire({ clock: deps.clock }, { host, port, timeoutMs });
  }

  /** Returns at once: a device that is not there is a state, not an error. */
  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    options.signal?.throwIfAborted();
    if (this.#end.signal.aborted) return;
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#end.abort(new UnavailableError('STOPPED', `the driver of "${this.#id}" was stopped`));
    this.#wire.close();
    await this.#running;
  }

  async write(
    device: DeviceSlug,
    id: PointId,
    value: Value,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<void> {
    signal.throwIfAborted();
    const point = this.#point(device, id);
    const text = encode(value, point);
    if (this.#online !== true) throw new UnavailableError('DEVICE_OFFLINE', `"${device}" is not reachable`);
    await this.#wire.ask(`write ${point.name} ${text}`, {
      signal: AbortSignal.any([signal, this.#end.signal]),
    });
  }

  async read(
    device: DeviceSlug,
    id: PointId,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Value | null> {
    const point = this.#point(device, id);
    return decode(await this.#wire.ask(`read ${point.name}`, { signal }), point) ?? null;
  }

  async #run(): Promise<void> {
    const { signal } = this.#end;
    let pauseMs: number = this.#connect.every;
    while (!signal.aborted) {
      try {
        await this.#poll(signal);
        pauseMs = this.#connect.every;
      } catch (error) {
        if (signal.aborted) return;
        this.#wentAway(describeError(error));
        // Jitter, so that a hundred devices behind one switch do not come back in the same moment.
        pauseMs = Math.min(pauseMs * (1.5 + Math.random()), LONGEST_PAUSE_MS);
      }
      await delay(this.#deps.clock, pauseMs, { signal }).catch(() => undefined);
    }
  }

  async #poll(signal: AbortSignal): Promise<void> {
    this.#batch.clear();
    for (const point of this.#points.values()) await this.#readInto(point, signal);
    if (signal.aborted) return;
    if (this.#online !== true) {
      this.#online = true;
      this.#deps.logger.info({ device: this.#id }, `${this.#id} answers`);
      this.#deps.onState(this.#id, { online: true });
    }
    this.#deps.sink(this.#batch);
  }

  async #readInto(point: Point, signal: AbortSignal): Promise<void> {
    try {
      const value = decode(await this.#wire.ask(`read ${point.name}`, { signal }), point);
      if (value === undefined) this.#push(point, null, bad('decode-error'));
      else this.#push(point, value);
    } catch (error) {
      // What the device refuses is a matter of this point; that it does not answer, of all of them.
      if (!(error instanceof InvalidInputError)) throw error;
      this.#push(point, null, bad('illegal-address'));
    }
  }

  #push({ no }: Point, value: Value, quality: QualityByte = 0): void {
    const nowMs = this.#deps.clock.wallMs();
    if (value === null) this.#batch.pushNull(no, nowMs, nowMs, quality);
    else this.#batch.push(no, nowMs, nowMs, value);
  }

  /** Once an outage: one state, one line in the log, one bad sample a point. */
  #wentAway(why: string): void {
    if (this.#online === false) return;
    this.#online = false;
    this.#deps.logger.warn({ device: this.#id, why }, `${this.#id} is not reachable: ${why}`);
    this.#deps.onState(this.#id, { online: false, why });
    this.#batch.clear();
    for (const point of this.#points.values()) this.#push(point, null, bad('disconnected'));
    this.#deps.sink(this.#batch);
  }

  #point(device: DeviceSlug, id: PointId): Point {
    const point = device === this.#id ? this.#points.get(id) : undefined;
    if (point === undefined)
      throw new InvalidInputError('UNKNOWN_POINT', `there is no point "${id}" of "${device}" here`);
    return point;
  }
}

/** @returns undefined for what is no value of this point */
function decode(text: string, { as }: Point): Value | undefined {
  if (as === 'text') return text;
  if (as === 'bool') return text === 'true' || text === 'false' ? text === 'true' : undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) return undefined;
  return as === 'float64' ? value : BigInt(Math.trunc(value));
}

/** @throws InvalidInputError `BAD_VALUE` */
function encode(value: Value, { as, name }: Point): string {
  const type = typeof value;
  const fits =
    as === 'text'
      ? type === 'string'
      : as === 'bool'
        ? type === 'boolean'
        : type === 'number' || type === 'bigint';
  const text = String(value);
  if (!fits || /[\r\n]/.test(text))
    throw new InvalidInputError('BAD_VALUE', `${name} takes ${as}, not ${JSON.stringify(text)}`);
  return text;
}
