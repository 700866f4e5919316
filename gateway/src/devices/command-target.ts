import {
  type DeviceSlug,
  MillwrightError,
  type PointId,
  type PointNo,
  type Sample,
} from '@millwright/protocol';
import type { CommandDevice, CommandDevices, CommandPoint, CommandPoints } from '../commands/ports.ts';
import type { Catalog } from '../points/catalog.ts';
import type { PointsTable } from '../points/points-table.ts';
import type { DeviceSupervisor } from './device-supervisor.ts';

export interface CommandTargetDeps {
  readonly supervisor: DeviceSupervisor;
  readonly catalog: Catalog;
  readonly points: PointsTable;
}

/** Devices and points as commands look them up. */
export function commandTarget(deps: CommandTargetDeps): {
  readonly devices: CommandDevices;
  readonly points: CommandPoints;
} {
  const { supervisor, catalog, points } = deps;
  return {
    devices: { find: (device) => findDevice(supervisor, device) },
    points: {
      find: (device: DeviceSlug, point: PointId): CommandPoint | undefined => {
        const active = supervisor.devices().get(device);
        const no = active?.numbers.get(point);
        const spec = active?.spec.points[point];
        const kind = no === undefined ? undefined : catalog.entry(no)?.kind;
        return no === undefined || spec === undefined || kind === undefined ? undefined : { no, kind, spec };
      },
      latest: (no: PointNo): Sample | undefined => points.sample(no),
    },
  };
}

function findDevice(supervisor: DeviceSupervisor, device: DeviceSlug): CommandDevice | undefined {
  const status = supervisor.statuses().find((candidate) => candidate.device === device);
  if (status === undefined) return undefined;
  const { name, online, why } = status;
  return { name, online, ...(why === undefined ? {} : { why }), driver: runningDriver(supervisor, device) };
}

function runningDriver(supervisor: DeviceSupervisor, device: DeviceSlug): CommandDevice['driver'] {
  try {
    return supervisor.driverOf(device);
  } catch (error) {
    if (error instanceof MillwrightError) return undefined;
    throw error;
  }
}
