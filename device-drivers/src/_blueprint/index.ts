import type { PackagedDriver } from '../package/index.ts';
import { BlueprintAt, BlueprintConnect } from './config.ts';
import { BlueprintDevice } from './device.ts';

/** The driver to copy: see the README beside it. */
export const millwrightDriver: PackagedDriver = {
  connect: BlueprintConnect,
  at: BlueprintAt,
  module: {
    driver: 'package',
    // A connection of its own for each device: whatever one does, the others do not notice.
    lineOf: (spec) => spec.id,
    create: (devices, deps) => {
      const [device] = devices;
      if (device === undefined) throw new RangeError('a line has at least one device');
      return new BlueprintDevice(device, deps);
    },
  },
};
