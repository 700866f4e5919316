import { z } from 'zod';

export const ApiConfig = z.strictObject({
  /** Anything but this machine itself makes a token necessary. */
  host: z.string().min(1).max(255).default('127.0.0.1'),
  /** 0 = any free port. */
  port: z.int().min(0).max(65535).default(8470),
  /** Names under which browsers may reach this gateway, beside its addresses and `localhost`. */
  names: z.array(z.string().min(1).max(255)).max(20).default([]),
});
export type ApiConfig = z.infer<typeof ApiConfig>;
