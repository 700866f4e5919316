import type { Driver, DriverDeps, DriverModule } from '@millwright/device-drivers';
import {
  bad,
  type DeviceSlug,
  type DeviceSpec,
  InlineDevice,
  type PointId,
  type Reason,
  SampleBatch,
  UnavailableError,
  type Value,
} from '@millwright/protocol';
import type { DriverModules, NumberedDevice } from './line-factory.ts';

/** Drivers in memory: what a test tells them to deliver, and what was done to them. */
export class MemoryDrivers {
  /** `created|started|stopped <devices of the line>`, in order. */
  readonly log: string[] = [];
  /** `device/point=value`, in order. */
  readonly written: string[] = [];
  /** Thrown by `create` or `start` of the lines that hold this device. */
  readonly failing = new Map<string, 'create' | 'start' | 'hang'>();
  readonly #lines = new Map<DeviceSlug, { readonly device: NumberedDevice; readonly deps: DriverDeps }>();

  readonly modules: DriverModules = {
    host: async () => this.#module('host', (spec) => spec.connect.disk),
    mqtt: async () => this.#module('mqtt', (spec) => spec.connect.broker),
    modbus: async () => this.#module('modbus', () => 'one'),
    sparkplug: async () => this.#module('sparkplug', (spec) => spec.connect.broker),
    opcua: async () => {
      throw new UnavailableError('NOT_INSTALLED', 'OPC UA is not installed here');
    },
    package: async () => this.#module('package', (spec) => spec.package),
  };

  /** Delivers one sample of a device, as its driver would. */
  send(device: string, point: string, value: Value): void {
    const line = this.#line(device);
    const no = line.device.numbers.get(point as PointId);
    if (no === undefined) throw new UnavailableError('NO_POINT', `${device} has no point ${point}`);
    const batch = new SampleBatch(1);
    batch.push(no, line.deps.clock.wallMs(), line.deps.clock.wallMs(), value);
    line.deps.sink(batch);
  }

  /** Delivers that a point cannot be read. */
  sendBad(device: string, point: string, why: Reason): void {
    const line = this.#line(device);
    const no = line.device.numbers.get(point as PointId);
    if (no === undefined) throw new UnavailableError('NO_POINT', `${device} has no point ${point}`);
    const batch = new SampleBatch(1);
    batch.pushNull(no, line.deps.clock.wallMs(), line.deps.clock.wallMs(), bad(why));
    line.deps.sink(batch);
  }

  setOnline(device: string, why?: string): void {
    const state = why === undefined ? ({ online: true } as const) : ({ online: false, why } as const);
    this.#line(device).deps.onState(device as DeviceSlug, state);
  }

  #line(device: string): { readonly device: NumberedDevice; readonly deps: DriverDeps } {
    const line = this.#lines.get(device as DeviceSlug);
    if (line === undefined) throw new UnavailableError('NO_DEVICE', `nothing runs ${device}`);
    return line;
  }

  #module<D extends 'host' | 'mqtt' | 'modbus' | 'package' | 'sparkplug'>(
    driver: D,
    lineOf: DriverModule<D>['lineOf'],
  ): DriverModule<D> {
    return {
      driver,
      lineOf,
      create: (given, deps) => {
        const devices: readonly NumberedDevice[] = given;
        const ids = devices.map(({ spec }) => spec.id);
        const failing = ids.map((id) => this.failing.get(id)).find((how) => how !== undefined);
        this.log.push(`created ${ids.join('+')}`);
        if (failing === 'create') throw new UnavailableError('BROKEN', 'cannot be created');
        for (const device of devices) this.#lines.set(device.spec.id, { device, deps });
        return this.#driver(ids, failing);
      },
    };
  }

  #driver(ids: readonly DeviceSlug[], failing: string | undefined): Driver {
    return {
      start: async () => {
        if (failing === 'start') throw new UnavailableError('BROKEN', 'cannot be started');
        if (failing === 'hang') await new Promise(() => undefined);
        this.log.push(`started ${ids.join('+')}`);
      },
      stop: async () => {
        this.log.push(`stopped ${ids.join('+')}`);
      },
      write: async (device, point, value) => {
        this.written.push(`${device}/${point}=${String(value)}`);
      },
      read: async () => null,
    };
  }
}

/** A host device; devices with the same `line` share a driver. */
export function hostDevice(id: string, line = id, points: Record<string, object> = { cpu: {} }): DeviceSpec {
  const metrics = Object.entries(points).map(([point, more]) => [point, { metric: 'cpu.load', ...more }]);
  return InlineDevice.parse({
    id,
    driver: 'host',
    connect: { disk: line },
    points: Object.fromEntries(metrics),
  });
}
