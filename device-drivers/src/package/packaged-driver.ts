import type { z } from 'zod';
import type { DriverModule } from '../driver.ts';

/** What an npm package with a driver exports as `millwrightDriver`. */
export interface PackagedDriver {
  /** Says what is wrong with `connect` of a device, before the driver is given it. */
  readonly connect: z.ZodType;
  /** The same for `at` of each point: where in the device it is. */
  readonly at: z.ZodType;
  readonly module: DriverModule<'package'>;
}
