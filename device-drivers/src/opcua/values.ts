import {
  bad,
  InvalidInputError,
  Kind,
  type QualityByte,
  qualityOf,
  type SampleBatch,
  type Value,
} from '@millwright/protocol';
import type { MonitoredPoint } from './messages.ts';
import { qualityOfStatus } from './status.ts';

/** OPC UA's built-in types that a point can be. @see OPC UA Part 6 §5.1.2 */
export const BuiltIn = {
  Boolean: 1,
  SByte: 2,
  Byte: 3,
  Int16: 4,
  UInt16: 5,
  Int32: 6,
  UInt32: 7,
  Int64: 8,
  UInt64: 9,
  Float: 10,
  Double: 11,
  String: 12,
  DateTime: 13,
  LocalizedText: 21,
} as const;
const SCALAR = 0;

/** The part of node-opcua's `DataValue` that is used here. */
export interface ReceivedValue {
  readonly value: { readonly dataType: number; readonly arrayType: number; readonly value: unknown };
  readonly statusCode: { readonly value: number };
  readonly sourceTimestamp: Date | null;
  readonly serverTimestamp: Date | null;
}

/** What node-opcua takes to write. */
export interface VariantToWrite {
  readonly dataType: number;
  /** Always given: a 64-bit integer is an array of two halves, and no array. */
  readonly arrayType: typeof SCALAR;
  readonly value: boolean | number | string | readonly [number, number];
}

const DECODE_ERROR = bad('decode-error');
const SENSOR_FAULT = bad('sensor-fault');
const OUT_OF_RANGE = bad('out-of-range');

/** Appends a received value: bad ones without a value, uncertain ones with it. Never throws for what a server sends. */
export function pushValue(
  batch: SampleBatch,
  { no, as }: MonitoredPoint,
  received: ReceivedValue,
  nowMs: number,
): void {
  const quality: QualityByte = qualityOfStatus(received.statusCode.value);
  const tSource = (received.sourceTimestamp ?? received.serverTimestamp)?.getTime() ?? nowMs;
  if (qualityOf(quality) === 'bad') {
    batch.pushNull(no, tSource, nowMs, quality);
    return;
  }
  const value = decode(as, received.value);
  if (value === undefined) batch.pushNull(no, tSource, nowMs, DECODE_ERROR);
  else if (typeof value === 'bigint') {
    batch.pushInt(no, tSource, nowMs, value, quality, as === 'uint64' ? Kind.uint64 : Kind.int64);
  } else if (typeof value === 'number' && !Number.isFinite(value)) {
    batch.pushNull(no, tSource, nowMs, Number.isNaN(value) ? SENSOR_FAULT : OUT_OF_RANGE);
  } else batch.push(no, tSource, nowMs, value, quality);
}

function decode(
  as: MonitoredPoint['as'],
  { dataType, arrayType, value }: ReceivedValue['value'],
): Exclude<Value, null> | undefined {
  if (arrayType !== SCALAR) return undefined;
  switch (as) {
    case 'bool':
      return typeof value === 'boolean' ? value : undefined;
    case 'text':
      return textOf(dataType, value);
    case 'float64':
      return typeof value === 'number' ? value : asNumber(wholeOf(dataType, value));
    case 'int64':
      return inRange(wholeOf(dataType, value), -(2n ** 63n), 2n ** 63n);
    case 'uint64':
      return inRange(wholeOf(dataType, value), 0n, 2n ** 64n);
  }
}

function textOf(dataType: number, value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (value instanceof Date) return value.toISOString();
  if (dataType === BuiltIn.LocalizedText && typeof value === 'object' && value !== null && 'text' in value) {
    return typeof value.text === 'string' ? value.text : undefined;
  }
  return undefined;
}

/** 64-bit integers come as their two 32-bit halves, high half first. */
function wholeOf(dataType: number, value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  if (typeof value === 'bigint') return value;
  if (!Array.isArray(value) || (dataType !== BuiltIn.Int64 && dataType !== BuiltIn.UInt64)) return undefined;
  const [high, low] = value;
  if (typeof high !== 'number' || typeof low !== 'number') return undefined;
  const bits = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return dataType === BuiltIn.Int64 ? BigInt.asIntN(64, bits) : bits;
}

function asNumber(value: bigint | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

function inRange(value: bigint | undefined, min: bigint, end: bigint): bigint | undefined {
  return value !== undefined && value >= min && value < end ? value : undefined;
}

const WHOLE_RANGE: ReadonlyMap<number, readonly [bigint, bigint]> = new Map([
  [BuiltIn.SByte, [-0x80n, 0x7fn]],
  [BuiltIn.Byte, [0n, 0xffn]],
  [BuiltIn.Int16, [-0x8000n, 0x7fffn]],
  [BuiltIn.UInt16, [0n, 0xffffn]],
  [BuiltIn.Int32, [-0x8000_0000n, 0x7fff_ffffn]],
  [BuiltIn.UInt32, [0n, 0xffff_ffffn]],
  [BuiltIn.Int64, [-(2n ** 63n), 2n ** 63n - 1n]],
  [BuiltIn.UInt64, [0n, 2n ** 64n - 1n]],
]);

/**
 * Checks a value against how the point is declared, before anything is sent.
 * @throws InvalidInputError `VALUE_INVALID`
 */
export function checkDeclared(point: string, as: MonitoredPoint['as'], value: Value): void {
  const kinds = {
    bool: ['boolean'],
    text: ['string'],
    float64: ['number', 'bigint'],
    int64: ['number', 'bigint'],
  };
  const fits = kinds[as === 'uint64' ? 'int64' : as].includes(typeof value);
  const isWhole =
    as !== 'int64' && as !== 'uint64' ? true : typeof value === 'bigint' || Number.isSafeInteger(value);
  const isNumber = typeof value !== 'number' || Number.isFinite(value);
  if (fits && isWhole && isNumber) return;
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : String(value);
  throw new InvalidInputError('VALUE_INVALID', `point "${point}": ${shown} is no ${as}`);
}

/** Whether values of the type can be written; `BaseDataType` and `Number` are only families of types. */
export function isConcrete(dataType: number): boolean {
  return dataType >= BuiltIn.Boolean && dataType <= BuiltIn.String;
}

/**
 * A value in the type its node has on the server.
 * @throws InvalidInputError `VALUE_INVALID` when that type cannot hold it
 */
export function encode(dataType: number, value: Value): VariantToWrite {
  const refuse = (): never => {
    throw new InvalidInputError(
      'VALUE_INVALID',
      `${String(value)} does not fit the node's type on the server`,
    );
  };
  return { dataType, arrayType: SCALAR, value: variantValue(dataType, value, refuse) };
}

function variantValue(dataType: number, value: Value, refuse: () => never): VariantToWrite['value'] {
  if (dataType === BuiltIn.Boolean) return typeof value === 'boolean' ? value : refuse();
  if (dataType === BuiltIn.String) return typeof value === 'string' ? value : refuse();
  if (typeof value !== 'number' && typeof value !== 'bigint') return refuse();
  if (dataType === BuiltIn.Double) return Number(value);
  if (dataType === BuiltIn.Float)
    return Number.isFinite(Math.fround(Number(value))) ? Number(value) : refuse();
  const [min, max] = WHOLE_RANGE.get(dataType) ?? refuse();
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return refuse();
  const whole = BigInt(value);
  if (whole < min || whole > max) return refuse();
  if (dataType !== BuiltIn.Int64 && dataType !== BuiltIn.UInt64) return Number(whole);
  const bits = BigInt.asUintN(64, whole);
  return [Number(bits >> 32n), Number(bits & 0xffff_ffffn)];
}
