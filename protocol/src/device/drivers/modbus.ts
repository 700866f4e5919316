import { z } from 'zod';
import { pointDefaults, pointShape } from '../point.ts';
import { Scan } from '../scan.ts';
import { ByteOrder, COMMON_ORDERS } from './byte-order.ts';

/** Number of bytes: two to a register; the 8-bit ones are half a register. */
export const NUMERIC_ENCODINGS = {
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  float16: 2,
  float32: 4,
  float64: 8,
  /** Binary-coded decimals: one digit to four bits. */
  bcd16: 2,
  bcd32: 4,
  bcd64: 8,
} as const;
export type NumericEncoding = keyof typeof NUMERIC_ENCODINGS;
const NUMERIC = Object.keys(NUMERIC_ENCODINGS) as [NumericEncoding, ...NumericEncoding[]];

const MAX_MASK = 0xffff_ffff;
const MAX_BIT = 31;
const Raw = z.number();

/**
 * `at` counts from the type's `base`: 0 = the address on the wire, 1 = as most manuals count. A resolved device
 * (`resolveSite`) has wire addresses, base 0, and one point for each element of an array.
 *
 * The value is (part of the raw number) × 10^(`scaleFrom`) × `scale` + `offset`.
 */
export const ModbusPoint = z.strictObject({
  ...pointShape,
  table: z.enum(['holding', 'input', 'coil', 'discrete']).optional(),
  at: z.int().min(0).max(65535),
  as: z.enum(['bool', 'text', ...NUMERIC]),
  /** Registers of a `text`. */
  length: z.int().min(1).max(60).optional(),
  /** Of a `text`: where blanks are padding. A text ends at its first NUL in any case. */
  trim: z.enum(['none', 'end', 'both']).optional(),
  /** Of a `text`. */
  charset: z.enum(['utf-8', 'latin1']).optional(),
  order: ByteOrder.optional(),
  /** Of `int8` and `uint8`: the more or the less significant half of the register; default `lo`. */
  byte: z.enum(['hi', 'lo']).optional(),
  /** Of a `bool` in a register: this bit of it, 0 being the least significant. Without it any bit that is set is true. */
  bit: z.int().min(0).max(15).optional(),
  /** Of an integer up to 32 bits: only these bits, lowest and highest. Signed encodings take the highest as the sign. */
  bits: z.tuple([z.int().min(0).max(MAX_BIT), z.int().min(0).max(MAX_BIT)]).optional(),
  /** Of an unsigned integer up to 32 bits: only the bits set here count; `shift` then moves them down. */
  mask: z.int().min(1).max(MAX_MASK).optional(),
  shift: z.int().min(0).max(MAX_BIT).optional(),
  scale: z
    .number()
    .refine((n) => n !== 0, 'must not be 0')
    .optional(),
  offset: z.number().optional(),
  /** A point of the same device, an `int16` that holds a power of ten to scale by: SunSpec's `sunssf`. */
  scaleFrom: z.string().optional(),
  /** Raw numbers by which the device says that it has no measurement. */
  invalid: z.union([Raw.transform((one) => [one]), z.array(Raw).min(1).max(8)]).optional(),
  /** Makes it an array: as many points, called `<name>_0`, `<name>_1` and so on. */
  count: z.int().min(2).max(1000).optional(),
  /** Registers (or bits) from one element to the next; default: they touch. */
  step: z.int().min(1).max(1000).optional(),
  scan: z.string().optional(),
});
export const ModbusType = {
  scans: z.record(z.string(), Scan).default({}),
  defaults: z
    .strictObject({
      ...pointDefaults,
      table: z.enum(['holding', 'input', 'coil', 'discrete']).default('holding'),
      order: z.enum(COMMON_ORDERS).default('ABCD'),
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

/** @returns how many registers (or bits, in coil and discrete) a point takes, one element of an array */
export function registersOf(point: Pick<ModbusPoint, 'as' | 'length'>): number {
  if (point.as === 'text') return point.length ?? 1;
  return point.as === 'bool' ? 1 : Math.ceil(NUMERIC_ENCODINGS[point.as] / 2);
}
