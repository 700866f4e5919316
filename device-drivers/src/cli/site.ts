import { readFile } from 'node:fs/promises';
import {
  type DeviceSpec,
  type DriverName,
  InvalidInputError,
  type PointId,
  PointNo,
  resolveSite,
} from '@millwright/protocol';
import { Expression } from '@millwright/protocol/expression';
import type { DevicePlan, Driver, DriverDeps, DriverDevice } from '../driver.ts';
import { DRIVER_MODULES } from '../index.ts';
import { shippedTypeFiles, typeFilesIn } from '../simulators/shipped-types.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** @throws InvalidInputError `FILE_MISSING`, `CONFIG_INVALID`, `TYPES_UNREADABLE` */
export async function readSite(
  site: string,
  folders: readonly string[],
  environment: Environment,
): Promise<DeviceSpec[]> {
  const text = await readFile(site, 'utf8').catch((cause: unknown) => {
    throw new InvalidInputError('FILE_MISSING', `cannot read the site file ${site}`, { cause });
  });
  const types = [await shippedTypeFiles(), ...(await Promise.all(folders.map(typeFilesIn)))].flat();
  return resolveSite({ site: { name: site, text }, types, variables: environment, expressions: Expression });
}

/** A driver and the line it serves. */
export interface Line {
  readonly line: string;
  /** undefined: the driver does not tell it. */
  readonly plan: DevicePlan | undefined;
  /** @throws InvalidInputError for what the driver can tell to be wrong without the device */
  create(deps: DriverDeps): Driver;
}

/** The line of one device alone, its points numbered from 0 in the order of the file. */
export async function lineOf(
  spec: DeviceSpec,
): Promise<Line & { readonly numbers: DriverDevice['numbers'] }> {
  switch (spec.driver) {
    case 'modbus':
      return lineWith('modbus', spec);
    case 'opcua':
      return lineWith('opcua', spec);
    case 'mqtt':
      return lineWith('mqtt', spec);
    case 'sparkplug':
      return lineWith('sparkplug', spec);
    case 'package':
      return lineWith('package', spec);
    case 'host':
      return lineWith('host', spec);
  }
}

async function lineWith<D extends DriverName>(
  driver: D,
  spec: DriverDevice<D>['spec'],
): Promise<Line & { readonly numbers: DriverDevice['numbers'] }> {
  const module = await DRIVER_MODULES[driver]();
  const ids = Object.keys(spec.points) as PointId[];
  const numbers = new Map(ids.map((id, index) => [id, PointNo.parse(index)]));
  return {
    line: module.lineOf(spec),
    plan: module.plan?.(spec),
    numbers,
    create: (deps) => module.create([{ spec, numbers }], deps),
  };
}
