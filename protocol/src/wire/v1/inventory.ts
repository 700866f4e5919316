import { z } from 'zod';
import { DeviceSlug } from '../../ids.ts';

/** A device as its gateway sees it now. */
export const DeviceStatus = z.object({
  device: DeviceSlug,
  name: z.string().max(200),
  type: z.string().max(100).optional(),
  driver: z.string().max(32),
  online: z.boolean(),
  /** Why it is offline, or what is wrong with it; a sentence. */
  why: z.string().max(300).optional(),
  sinceMs: z.number(),
});
export type DeviceStatus = z.infer<typeof DeviceStatus>;
