import { cwd } from 'node:process';
import type { DriverModule } from '../driver.ts';
import { PackageDriver } from './package-driver.ts';

export type { PackagedDriver } from './packaged-driver.ts';

/** Drivers that come as npm packages of their own. */
export const packageDriver: DriverModule<'package'> = {
  driver: 'package',
  lineOf: (spec) => `package ${spec.package}`,
  create: (devices, deps) => new PackageDriver(devices, deps, cwd()),
};
