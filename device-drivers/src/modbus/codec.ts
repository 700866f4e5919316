import {
  bad,
  type DeviceSpecOf,
  GOOD,
  Kind,
  type ModbusPoint,
  type NumericEncoding,
  type PointId,
  type PointNo,
  registersOf,
  type SampleBatch,
  swapsBytes,
  wirePlaces,
} from '@millwright/protocol';
import { isBitTable, type Mapped } from './plan.ts';
import type { ScaleFactor } from './scale-factor.ts';

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
  /** A further factor, told by the device. */
  readonly factor: ScaleFactor | undefined;
  /** The factor of others that this point tells. */
  readonly tells: ScaleFactor | undefined;
}

/** The device file's checks have been passed: see protocol's device rules. */
export function mapPoint(
  id: PointId,
  no: PointNo,
  point: ModbusPoint,
  defaults: ModbusDefaults,
  factors?: ReadonlyMap<string, ScaleFactor>,
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
    isScaled: scale !== 1 || offset !== 0 || point.scaleFrom !== undefined,
    multiplier: divisor === 1 ? scale : 1,
    divisor,
    offset,
    factor: factors?.get(point.scaleFrom ?? ''),
    tells: factors?.get(id),
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

export function isDecimal(as: Encoding): boolean {
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
export function halfOf(half: number): number {
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
  const { factor } = point;
  if (factor?.missing !== undefined) {
    batch.pushNull(point.no, nowMs, nowMs, factor.missing);
    return;
  }
  const value = point.isScaled ? scaled(point, factor === undefined ? raw : factor.apply(raw)) : raw;
  if (Number.isFinite(value)) batch.pushNumber(point.no, nowMs, nowMs, value);
  else batch.pushNull(point.no, nowMs, nowMs, Number.isNaN(value) ? SENSOR_FAULT : OUT_OF_RANGE);
}

function scaled({ multiplier, divisor, offset }: MappedPoint, raw: number): number {
  return (raw * multiplier) / divisor + offset;
}

/** The raw number that stands for a value. */
export function unscaled({ multiplier, divisor, offset, factor }: MappedPoint, value: number): number {
  const raw = ((value - offset) * divisor) / multiplier;
  return factor === undefined ? raw : factor.undo(raw);
}

/** Takes the power of ten that an answer holds, before the points that need it are decoded. */
export function loadFactor(point: MappedPoint, data: Uint8Array, start: number): void {
  const at = 2 * (point.address - start);
  for (let i = 0; i < 2; i++) bytes[point.places[i] ?? i] = data[at + i] ?? 0;
  point.tells?.set(scratch.getInt16(0));
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
