import {
  bad,
  type DeviceSpecOf,
  GOOD,
  InvalidInputError,
  Kind,
  type ModbusPoint,
  type NumericEncoding,
  type PointId,
  type PointNo,
  registersOf,
  type SampleBatch,
  swapsBytes,
  type Value,
  wirePlaces,
} from '@millwright/protocol';
import { isBitTable, type Mapped } from './plan.ts';

type ModbusDefaults = DeviceSpecOf<'modbus'>['defaults'];
type Encoding = ModbusPoint['as'];

const DECODE_ERROR = bad('decode-error');
const SENSOR_FAULT = bad('sensor-fault');
const OUT_OF_RANGE = bad('out-of-range');

const ALL_BITS = 0xffff_ffff;
const NO_INVALID: readonly number[] = [];

/** Which part of an integer of up to 32 bits is the value. */
interface Part {
  readonly mask: number;
  readonly shift: number;
  /** Bits of a signed field; 0 = unsigned. */
  readonly signedBits: number;
}

/** One point, ready to be decoded without looking anything up. */
export interface MappedPoint extends Mapped {
  readonly id: PointId;
  readonly no: PointNo;
  readonly as: Encoding;
  /** For each byte on the wire, its place in the big-endian value. */
  readonly places: readonly number[];
  readonly isHighByte: boolean;
  readonly part: Part | undefined;
  /** Raw numbers that say "no measurement". */
  readonly invalid: readonly number[];
  readonly trim: 'none' | 'end' | 'both';
  readonly isLatin1: boolean;
  readonly isScaled: boolean;
  readonly multiplier: number;
  /** Dividing by a whole power of ten gives the decimal the device meant; multiplying by 0.1 does not. */
  readonly divisor: number;
  readonly offset: number;
}

/** What a write puts on the wire. */
export type Encoded =
  | { readonly to: 'coil'; readonly on: boolean }
  | { readonly to: 'registers'; readonly words: readonly number[] };

/** The device file's checks have been passed: see protocol's device rules. */
export function mapPoint(
  id: PointId,
  no: PointNo,
  point: ModbusPoint,
  defaults: ModbusDefaults,
): MappedPoint {
  const order = point.order ?? defaults.order;
  const scale = point.scale ?? 1;
  const offset = point.offset ?? 0;
  const divisor = decimalDivisor(scale);
  const width = registersOf(point);
  const textOrder = swapsBytes(order) ? 'BADC' : 'ABCD';
  return {
    id,
    no,
    table: point.table ?? defaults.table,
    address: point.at - defaults.base,
    width,
    as: point.as,
    places: wirePlaces(point.as === 'text' ? textOrder : order, 2 * width) ?? [],
    isHighByte: point.byte === 'hi',
    part: partOf(point),
    invalid: point.invalid ?? NO_INVALID,
    trim: point.trim ?? 'end',
    isLatin1: point.charset === 'latin1',
    isScaled: scale !== 1 || offset !== 0,
    multiplier: divisor === 1 ? scale : 1,
    divisor,
    offset,
  };
}

function partOf({ as, bit, bits, mask, shift }: ModbusPoint): Part | undefined {
  if (bit !== undefined) return { mask: 2 ** bit, shift: bit, signedBits: 0 };
  if (bits !== undefined) {
    const [low, high] = bits;
    const count = high - low + 1;
    return { mask: (2 ** count - 1) * 2 ** low, shift: low, signedBits: as.startsWith('u') ? 0 : count };
  }
  if (mask === undefined && shift === undefined) return undefined;
  return { mask: mask ?? ALL_BITS, shift: shift ?? 0, signedBits: 0 };
}

function decimalDivisor(scale: number): number {
  const inverse = Math.round(1 / scale);
  return Math.log10(Math.abs(inverse)) % 1 === 0 && 1 / inverse === scale ? inverse : 1;
}

const bytes = new Uint8Array(8);
const scratch = new DataView(bytes.buffer);
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Decodes one point out of an answer and appends it. Never throws for what a device sends.
 * @param data the answer's data bytes
 * @param start the address of its first register or bit
 */
export function decodeInto(
  batch: SampleBatch,
  point: MappedPoint,
  data: Uint8Array,
  start: number,
  nowMs: number,
): void {
  const { no, as, part } = point;
  if (isBitTable(point.table)) {
    const bit = point.address - start;
    batch.pushBool(no, nowMs, nowMs, (((data[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1);
    return;
  }
  const at = 2 * (point.address - start);
  if (as === 'text') {
    decodeText(batch, point, data, at, nowMs);
    return;
  }
  const { places } = point;
  for (let i = 0; i < places.length; i++) bytes[places[i] as number] = data[at + i] as number;
  if (as === 'bool') {
    const word = scratch.getUint16(0);
    batch.pushBool(no, nowMs, nowMs, (part === undefined ? word : word & part.mask) !== 0);
    return;
  }
  const raw = loadedNumber(as, point.isHighByte);
  if (Number.isNaN(raw) && isDecimal(as)) batch.pushNull(no, nowMs, nowMs, DECODE_ERROR);
  else if (point.invalid.length > 0 && point.invalid.includes(raw))
    batch.pushNull(no, nowMs, nowMs, SENSOR_FAULT);
  else if (!point.isScaled && (as === 'int64' || as === 'uint64'))
    batch.pushInt(no, nowMs, nowMs, scratch.getBigInt64(0), GOOD, Kind[as]);
  else if (!point.isScaled && as === 'bcd64')
    batch.pushInt(no, nowMs, nowMs, loadedDecimals(), GOOD, Kind.uint64);
  else pushScaled(batch, point, part === undefined ? raw : partOfRaw(raw, part), nowMs);
}

function isDecimal(as: Encoding): boolean {
  return as === 'bcd16' || as === 'bcd32' || as === 'bcd64';
}

/** @returns NaN for decimals with a digit beyond 9 */
function loadedNumber(as: NumericEncoding, isHighByte: boolean): number {
  switch (as) {
    case 'int8':
      return scratch.getInt8(isHighByte ? 0 : 1);
    case 'uint8':
      return scratch.getUint8(isHighByte ? 0 : 1);
    case 'int16':
      return scratch.getInt16(0);
    case 'uint16':
      return scratch.getUint16(0);
    case 'int32':
      return scratch.getInt32(0);
    case 'uint32':
      return scratch.getUint32(0);
    case 'float16':
      return halfOf(scratch.getUint16(0));
    case 'float32':
      return scratch.getFloat32(0);
    case 'float64':
      return scratch.getFloat64(0);
    case 'int64':
      return scratch.getInt32(0) * 0x1_0000_0000 + scratch.getUint32(4);
    case 'uint64':
      return scratch.getUint32(0) * 0x1_0000_0000 + scratch.getUint32(4);
    case 'bcd16':
      return decimalsOf(scratch.getUint16(0));
    case 'bcd32':
      return decimalsOf(scratch.getUint32(0));
    case 'bcd64':
      return decimalsOf(scratch.getUint32(0)) * 1e8 + decimalsOf(scratch.getUint32(4));
  }
}

/** All sixteen digits, which a double cannot hold. */
function loadedDecimals(): bigint {
  return BigInt(decimalsOf(scratch.getUint32(0))) * 100_000_000n + BigInt(decimalsOf(scratch.getUint32(4)));
}

function decimalsOf(word: number): number {
  let value = 0;
  for (let shift = 28; shift >= 0; shift -= 4) {
    const digit = (word >>> shift) & 15;
    if (digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

/** @see IEEE 754-2019 §3.6, binary16 */
function halfOf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function partOfRaw(raw: number, { mask, shift, signedBits }: Part): number {
  const field = (raw & mask) >>> shift;
  if (signedBits === 0) return field;
  const unused = 32 - signedBits;
  return (field << unused) >> unused;
}

/** A NaN says "no measurement" and an infinity "beyond my range": errors, which are never passed on as values. */
function pushScaled(batch: SampleBatch, point: MappedPoint, raw: number, nowMs: number): void {
  const value = point.isScaled ? (raw * point.multiplier) / point.divisor + point.offset : raw;
  if (Number.isFinite(value)) batch.pushNumber(point.no, nowMs, nowMs, value);
  else batch.pushNull(point.no, nowMs, nowMs, Number.isNaN(value) ? SENSOR_FAULT : OUT_OF_RANGE);
}

/** Ends at the first NUL. Word order does not apply to texts. */
function decodeText(
  batch: SampleBatch,
  point: MappedPoint,
  data: Uint8Array,
  at: number,
  nowMs: number,
): void {
  const { places, trim, no } = point;
  const ordered = new Uint8Array(places.length);
  for (let i = 0; i < places.length; i++) ordered[places[i] as number] = data[at + i] as number;
  const end = ordered.indexOf(0);
  try {
    const written = end === -1 ? ordered : ordered.subarray(0, end);
    const text = point.isLatin1 ? Buffer.from(written).toString('latin1') : utf8.decode(written);
    batch.pushText(no, nowMs, nowMs, trim === 'none' ? text : trim === 'both' ? text.trim() : text.trimEnd());
  } catch {
    batch.pushNull(no, nowMs, nowMs, DECODE_ERROR);
  }
}

const INTEGER_RANGE: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int8: [-0x80n, 0x7fn],
  uint8: [0n, 0xffn],
  int16: [-0x8000n, 0x7fffn],
  uint16: [0n, 0xffffn],
  int32: [-0x8000_0000n, 0x7fff_ffffn],
  uint32: [0n, 0xffff_ffffn],
  int64: [-0x8000_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn],
  uint64: [0n, 0xffff_ffff_ffff_ffffn],
  bcd16: [0n, 9999n],
  bcd32: [0n, 9999_9999n],
  bcd64: [0n, 9999_9999_9999_9999n],
};

/**
 * The registers that hold `value`, given in the point's unit. A scaled value is rounded to the nearest step.
 * @throws InvalidInputError `VALUE_INVALID`
 */
export function encode(point: MappedPoint, value: Value): Encoded {
  if (point.as === 'bool') {
    const on = value === true || value === 1 ? true : value === false || value === 0 ? false : undefined;
    if (on === undefined) throw refused(point, value, 'true or false');
    if (point.part !== undefined)
      throw refused(point, value, 'written, because the point is only part of a register');
    return isBitTable(point.table)
      ? { to: 'coil', on }
      : { to: 'registers', words: storeWords(point, on ? 1 : 0) };
  }
  if (point.as === 'text') return { to: 'registers', words: encodeText(point, value) };
  if (typeof value !== 'number' && typeof value !== 'bigint') throw refused(point, value, 'a number');
  if (point.part !== undefined || point.as === 'int8' || point.as === 'uint8')
    throw refused(point, value, 'written, because the point is only part of a register');
  if (point.as === 'float16' || point.as === 'float32' || point.as === 'float64') {
    const raw = ((Number(value) - point.offset) * point.divisor) / point.multiplier;
    if (!Number.isFinite(rounded(point.as, raw)))
      throw refused(point, value, `a number that fits ${point.as}`);
    return { to: 'registers', words: storeWords(point, raw) };
  }
  const raw = integerOf(point, value);
  const [min, max] = INTEGER_RANGE[point.as] ?? [0n, 0n];
  if (raw === undefined) throw refused(point, value, 'a whole number');
  if (raw < min || raw > max) {
    throw refused(
      point,
      value,
      point.isScaled ? `a number that fits ${point.as} after scaling` : `${min} to ${max}`,
    );
  }
  if (point.invalid.includes(Number(raw)))
    throw refused(point, value, 'a number that the device takes for a value');
  return { to: 'registers', words: storeWords(point, raw) };
}

function integerOf(point: MappedPoint, value: number | bigint): bigint | undefined {
  if (!point.isScaled) {
    if (typeof value === 'bigint') return value;
    return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  }
  const raw = Math.round(((Number(value) - point.offset) * point.divisor) / point.multiplier);
  return Number.isFinite(raw) ? BigInt(raw) : undefined;
}

function rounded(as: 'float16' | 'float32' | 'float64', value: number): number {
  if (as === 'float64') return value;
  return as === 'float32' ? Math.fround(value) : halfOf(halfBits(value));
}

/** The nearest binary16, ties to even; infinity when there is none. */
function halfBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (!(size < 65_520)) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const steps = size / 2 ** (exponent - 10);
  const whole = Math.floor(steps);
  const rest = steps - whole;
  const nearest = whole + (rest > 0.5 || (rest === 0.5 && whole % 2 === 1) ? 1 : 0);
  return sign | (nearest < 1024 ? nearest : ((exponent + 15) << 10) + nearest - 1024);
}

function encodeText(point: MappedPoint, value: Value): number[] {
  if (typeof value !== 'string') throw refused(point, value, 'a text');
  const size = point.places.length;
  const text = point.isLatin1 ? latin1Of(value) : new TextEncoder().encode(value);
  if (text === undefined) throw refused(point, value, 'a text of Latin-1 characters');
  if (text.length > size || text.includes(0)) {
    throw refused(point, value, `a text of at most ${size} bytes without NUL`);
  }
  const ordered = new Uint8Array(size);
  ordered.set(text);
  return wordsOf(point, ordered);
}

function latin1Of(text: string): Uint8Array | undefined {
  const encoded = Buffer.from(text, 'latin1');
  return encoded.toString('latin1') === text ? encoded : undefined;
}

function storeWords(point: MappedPoint, value: number | bigint): number[] {
  const { width, as } = point;
  if (as === 'float16') scratch.setUint16(0, halfBits(Number(value)));
  else if (as === 'float32') scratch.setFloat32(0, Number(value));
  else if (as === 'float64') scratch.setFloat64(0, Number(value));
  else {
    const raw = isDecimal(as) ? BigInt(`0x${value}`) : BigInt(value);
    if (width === 4) scratch.setBigInt64(0, BigInt.asIntN(64, raw));
    else if (width === 2) scratch.setInt32(0, Number(raw));
    else scratch.setInt16(0, Number(raw));
  }
  return wordsOf(point, bytes);
}

/** The big-endian bytes of a value as the registers the device keeps. */
function wordsOf({ places, width }: MappedPoint, value: Uint8Array): number[] {
  const onWire = (at: number) => value[places[at] ?? 0] ?? 0;
  return Array.from({ length: width }, (_, word) => (onWire(2 * word) << 8) | onWire(2 * word + 1));
}

function refused(point: MappedPoint, value: Value, wanted: string): InvalidInputError {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : String(value);
  return new InvalidInputError('VALUE_INVALID', `point "${point.id}": ${shown} is not ${wanted}`);
}
