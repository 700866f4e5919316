import type { DriverModule } from '../driver.ts';
import { HostDriver } from './host-driver.ts';
import { planOf } from './plan-of.ts';

/** The machine the gateway runs on: live input that exists everywhere. There is one line. */
export const hostDriver: DriverModule<'host'> = {
  driver: 'host',
  lineOf: () => 'this machine',
  plan: planOf,
  create: (devices, deps) => new HostDriver(devices, deps),
};
