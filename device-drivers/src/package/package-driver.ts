import {
  type DeviceSlug,
  InvalidInputError,
  type PointId,
  startAll,
  stopAll,
  UnavailableError,
  type Value,
} from '@millwright/protocol';
import type { Driver, DriverDeps, DriverDevice } from '../driver.ts';
import { loadPackagedDriver } from './load.ts';
import type { PackagedDriver } from './packaged-driver.ts';

type Devices = readonly DriverDevice<'package'>[];

/** All devices of one npm package: its own drivers, a line each, from when it is loaded. */
export class PackageDriver implements Driver {
  readonly #package: string;
  readonly #devices: Devices;
  readonly #deps: DriverDeps;
  readonly #folder: string;
  readonly #driverOf = new Map<DeviceSlug, Driver>();
  #drivers: readonly Driver[] = [];
  #starting: Promise<void> | undefined;
  #stopped = false;

  /** @param folder where packages are looked for first */
  constructor(devices: Devices, deps: DriverDeps, folder: string) {
    this.#package = devices[0]?.spec.package ?? '';
    this.#devices = devices;
    this.#deps = deps;
    this.#folder = folder;
  }

  /** @throws UnavailableError, InvalidInputError when the package or what the devices say of themselves is no good */
  start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#starting ??= this.#begin(options);
    return this.#starting;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#starting?.catch(() => undefined);
    await stopAll(this.#drivers);
  }

  async write(
    device: DeviceSlug,
    point: PointId,
    value: Value,
    options: { readonly signal: AbortSignal },
  ): Promise<void> {
    return this.#of(device).write(device, point, value, options);
  }

  async read(
    device: DeviceSlug,
    point: PointId,
    options: { readonly signal: AbortSignal },
  ): Promise<Value | null> {
    return this.#of(device).read(device, point, options);
  }

  async #begin(options: { readonly signal?: AbortSignal }): Promise<void> {
    options.signal?.throwIfAborted();
    const driver = await loadPackagedDriver(this.#package, this.#folder);
    options.signal?.throwIfAborted();
    if (this.#stopped) return;
    const lines = new Map<string, DriverDevice<'package'>[]>();
    for (const device of this.#devices) {
      check(device, driver);
      const line = driver.module.lineOf(device.spec);
      lines.set(line, [...(lines.get(line) ?? []), device]);
    }
    this.#drivers = [...lines.values()].map((devices) => {
      const created = driver.module.create(devices, this.#deps);
      for (const { spec } of devices) this.#driverOf.set(spec.id, created);
      return created;
    });
    await startAll(this.#drivers, options);
  }

  #of(device: DeviceSlug): Driver {
    const driver = this.#driverOf.get(device);
    if (driver !== undefined) return driver;
    if (this.#devices.some(({ spec }) => spec.id === device))
      throw new UnavailableError('DEVICE_OFFLINE', `the driver of "${device}" has not been loaded`);
    throw new InvalidInputError('UNKNOWN_DEVICE', `there is no device "${device}" here`);
  }
}

/** @throws InvalidInputError `DEVICE_INVALID` with what is wrong, and where, in the words of the driver's schemas */
function check({ spec }: DriverDevice<'package'>, { connect, at }: PackagedDriver): void {
  const problems: string[] = [];
  const look = (schema: PackagedDriver['connect' | 'at'], value: unknown, path: string) => {
    for (const issue of schema.safeParse(value).error?.issues ?? [])
      problems.push(`${[path, ...issue.path].join('.')}: ${issue.message}`);
  };
  look(connect, spec.connect, `${spec.id}.connect`);
  for (const [id, point] of Object.entries(spec.points)) look(at, point.at, `${spec.id}.points.${id}.at`);
  if (problems.length > 0) throw new InvalidInputError('DEVICE_INVALID', problems.slice(0, 10).join('; '));
}
