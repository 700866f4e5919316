import type { Driver, DriverDeps, DriverDevice, DriverModule } from '@millwright/device-drivers';
import { type DeviceSpec, type DeviceSpecOf, type DriverName, InvalidInputError } from '@millwright/protocol';

export type DriverModules = { readonly [D in DriverName]: () => Promise<DriverModule<D>> };

/** A device of any driver, with its points numbered. */
export interface NumberedDevice extends Omit<DriverDevice, 'spec'> {
  readonly spec: DeviceSpec;
}

/** A driver's module for whoever does not care which driver it is. */
export interface LineFactory {
  lineOf(spec: DeviceSpec): string;
  create(devices: readonly NumberedDevice[], deps: DriverDeps): Driver;
}

export async function loadFactory<D extends DriverName>(
  modules: DriverModules,
  driver: D,
): Promise<LineFactory> {
  const module = await modules[driver]();
  const own = (spec: DeviceSpec): DeviceSpecOf<D> => {
    if (isOf(spec, driver)) return spec;
    throw new InvalidInputError('WRONG_DRIVER', `${spec.id} is a ${spec.driver} device, not ${driver}`);
  };
  return {
    lineOf: (spec) => module.lineOf(own(spec)),
    create: (devices, deps) =>
      module.create(
        devices.map(({ spec, numbers }) => ({ spec: own(spec), numbers })),
        deps,
      ),
  };
}

function isOf<D extends DriverName>(spec: DeviceSpec, driver: D): spec is DeviceSpecOf<D> {
  return spec.driver === driver;
}
