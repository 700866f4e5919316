import { z } from 'zod';
import { DeviceSlug, PointId } from '../../ids.ts';
import { JsonValueSchema } from './json-value.ts';

/** Who asks, as the region has authenticated them. */
export const Principal = z.object({
  name: z.string().min(1).max(100),
  role: z.enum(['viewer', 'operator', 'engineer']),
});
export type Principal = z.infer<typeof Principal>;

/** `/millwright/command/1`, region → gateway: one request, one receipt. */
export const WriteCommand = z.object({
  /** Unique; a gateway that has seen it answers with the first receipt and does not act again. */
  id: z.string().min(8).max(64),
  device: DeviceSlug,
  point: PointId,
  value: JsonValueSchema,
  by: Principal,
  issuedAtMs: z.number(),
  /** Not carried out after this wall time. */
  expiresAtMs: z.number(),
  /** Go through every check and say what would be written, but move nothing. */
  dryRun: z.boolean().optional(),
});
export type WriteCommand = z.infer<typeof WriteCommand>;

/** What became of a command. `unknown`: it may have been carried out; it is never repeated by itself. */
export const Receipt = z.object({
  id: z.string(),
  result: z.enum(['done', 'refused', 'unknown']),
  /** `OUT_OF_RANGE`, `NOT_WRITABLE`, `EXPIRED`, `ROLE`, `DEVICE_OFFLINE`, `READBACK_MISMATCH`, … ; absent when done. */
  code: z.string().max(50).optional(),
  message: z.string().max(500),
  before: JsonValueSchema.optional(),
  readBack: JsonValueSchema.optional(),
  /** Nothing was written: `done` says that it would have been. */
  dryRun: z.boolean().optional(),
  /** What goes over the wire, where the driver can tell: "holding 200 = 00 78". */
  raw: z.string().max(1000).optional(),
  atMs: z.number(),
});
export type Receipt = z.infer<typeof Receipt>;
