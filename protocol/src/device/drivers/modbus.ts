import { z } from 'zod';
import { DurationMs } from '../duration.ts';
import { pointShape } from '../point.ts';

export const NUMERIC_ENCODINGS = [
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'float32',
  'float64',
] as const;

/**
 * `at` counts from the type's `base`: 0 = the address on the wire, 1 = as most manuals count. A resolved device
 * (`resolveSite`) has wire addresses and base 0. Order: which byte of the value comes first (`ABCD` = big endian).
 */
export const ModbusPoint = z.strictObject({
  ...pointShape,
  table: z.enum(['holding', 'input', 'coil', 'discrete']).optional(),
  at: z.int().min(0).max(65535),
  as: z.enum(['bool', 'text', ...NUMERIC_ENCODINGS]),
  /** Registers of a `text`. */
  length: z.int().min(1).max(60).optional(),
  order: z.enum(['ABCD', 'CDAB', 'BADC', 'DCBA']).optional(),
  scale: z
    .number()
    .refine((n) => n !== 0, 'must not be 0')
    .optional(),
  offset: z.number().optional(),
  scan: z.string().optional(),
});
export const ModbusType = {
  scans: z.record(z.string(), DurationMs).default({}),
  defaults: z
    .strictObject({
      table: z.enum(['holding', 'input', 'coil', 'discrete']).default('holding'),
      order: z.enum(['ABCD', 'CDAB', 'BADC', 'DCBA']).default('ABCD'),
      base: z.int().min(0).max(1).default(0),
      scan: z.string().optional(),
    })
    .prefault({}),
  /** Neighbouring registers are read in one request when the unused gap between them is at most `maxGap`. */
  merge: z
    .strictObject({
      maxGap: z.int().min(0).max(120).default(8),
      maxRegisters: z.int().min(1).max(125).default(120),
      avoid: z.array(z.tuple([z.int(), z.int()])).default([]),
    })
    .prefault({}),
} as const;

export type ModbusPoint = z.infer<typeof ModbusPoint>;
