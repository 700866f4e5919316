import { DurationMs } from '@millwright/protocol';
import { z } from 'zod';

/** `cloud.yaml`. Relative paths are resolved against the file. */
export const CloudConfig = z.strictObject({
  http: z.strictObject({ host: z.string().default('127.0.0.1'), port: z.int().min(0).max(65_535) }),
  database: z.strictObject({
    /** PostgreSQL 15 or newer. `millwright postgres run` serves one. */
    url: z.string().min(1),
  }),
  /** File with the bearer token that regions and readers present. */
  tokenFile: z.string(),
  vault: z
    .strictObject({
      directory: z.string(),
      /** Notes are brought up to date at most this often. */
      every: DurationMs.default(15_000),
    })
    .optional(),
});
export type CloudConfig = z.infer<typeof CloudConfig>;
