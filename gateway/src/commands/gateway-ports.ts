import type { Driver } from '@millwright/device-drivers';
import {
  type CatalogEntry,
  type DeviceSlug,
  type DeviceSpec,
  type DeviceStatus,
  MillwrightError,
  type PointId,
  type PointNo,
  type Sample,
} from '@millwright/protocol';
import type { CommandDevices, CommandPoints } from './ports.ts';

/** The parts of a gateway that commands are about. */
export interface CommandSources {
  readonly devices: {
    statuses(): readonly DeviceStatus[];
    devices(): ReadonlyMap<
      DeviceSlug,
      { readonly spec: DeviceSpec; readonly numbers: ReadonlyMap<PointId, PointNo> }
    >;
    /** @throws MillwrightError while no driver runs */
    driverOf(device: DeviceSlug): Driver;
  };
  readonly points: { sample(no: PointNo): Sample | undefined };
  readonly catalog: { entry(no: PointNo): CatalogEntry | undefined };
}

/** The command path's view of devices, points and catalogue. */
export function commandPortsOf(sources: CommandSources): {
  readonly points: CommandPoints;
  readonly devices: CommandDevices;
} {
  const { devices, points, catalog } = sources;
  return {
    points: {
      find: (device, point) => {
        const active = devices.devices().get(device);
        const no = active?.numbers.get(point);
        const spec = active?.spec.points[point];
        const kind = no === undefined ? undefined : catalog.entry(no)?.kind;
        return no === undefined || spec === undefined || kind === undefined ? undefined : { no, kind, spec };
      },
      latest: (no) => points.sample(no),
    },
    devices: {
      find: (device) => {
        const status = devices.statuses().find((candidate) => candidate.device === device);
        if (status === undefined) return undefined;
        const { name, online, why } = status;
        return { name, online, ...(why === undefined ? {} : { why }), driver: driverOf(devices, device) };
      },
    },
  };
}

function driverOf(devices: CommandSources['devices'], device: DeviceSlug): Driver | undefined {
  try {
    return devices.driverOf(device);
  } catch (error) {
    if (error instanceof MillwrightError) return undefined;
    throw error;
  }
}
