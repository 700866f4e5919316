import { DurationMs } from '@millwright/protocol';
import { z } from 'zod';

/** What `connect` of a device may say. Strict: a key that is not known is an error that names it. */
export const BlueprintConnect = z.strictObject({
  host: z.string().min(1).max(253),
  port: z.int().min(1).max(65535),
  every: DurationMs.default(1000),
  timeout: DurationMs.default(1000),
});
export type BlueprintConnect = z.infer<typeof BlueprintConnect>;

/** What `at` of a point may say: the name the device knows it by. */
export const BlueprintAt = z.string().regex(/^\S{1,100}$/, 'must be 1–100 characters without blanks');
