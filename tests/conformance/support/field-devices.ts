import { DRIVER_MODULES, type Driver, type DriverDeps, type DriverDevice } from '@millwright/device-drivers';
import {
  type DeviceSlug,
  GOOD,
  type PointId,
  type QualityByte,
  SampleBatch,
  UnavailableError,
  type Value,
} from '@millwright/protocol';

interface Running {
  readonly device: DriverDevice<'mqtt'>;
  readonly deps: DriverDeps;
}

/** Devices in memory, in the place of the MQTT driver's: a test says what they deliver, and sees what is written. */
export class FieldDevices {
  readonly written: { readonly device: string; readonly point: string; readonly value: Value }[] = [];
  readonly #running = new Map<string, Running>();

  readonly modules: typeof DRIVER_MODULES = {
    ...DRIVER_MODULES,
    mqtt: async () => ({
      driver: 'mqtt',
      lineOf: ({ id }) => id,
      create: (devices, deps) => this.#create(devices, deps),
    }),
  };

  has(id: string): boolean {
    return this.#running.has(id);
  }

  setOnline(id: string, why?: string): void {
    const state = why === undefined ? ({ online: true } as const) : ({ online: false, why } as const);
    this.#of(id).deps.onState(id as DeviceSlug, state);
  }

  send(id: string, point: string, value: Value, quality: QualityByte = GOOD, atMs?: number): void {
    const { device, deps } = this.#of(id);
    const no = device.numbers.get(point as PointId);
    if (no === undefined) throw new UnavailableError('NO_POINT', `${id} has no point ${point}`);
    const batch = new SampleBatch(1);
    const nowMs = deps.clock.wallMs();
    batch.push(no, atMs ?? nowMs, nowMs, value, quality);
    deps.sink(batch);
  }

  #of(id: string): Running {
    const running = this.#running.get(id);
    if (running === undefined) throw new UnavailableError('NO_DEVICE', `nothing runs ${id}`);
    return running;
  }

  #create(devices: readonly DriverDevice<'mqtt'>[], deps: DriverDeps): Driver {
    for (const device of devices) this.#running.set(device.spec.id, { device, deps });
    return {
      start: async () => undefined,
      stop: async () => undefined,
      write: async (device, point, value) => {
        this.written.push({ device, point, value });
        this.send(device, point, value);
      },
      read: async () => null,
    };
  }
}
