import {
  bad,
  type DeviceSpecOf,
  GOOD,
  InvalidInputError,
  Kind,
  type ModbusPoint,
  type NUMERIC_ENCODINGS,
  type PointId,
  type PointNo,
  type SampleBatch,
  type Value,
} from '@millwright/protocol';
import { isBitTable, type Mapped } from './plan.ts';

type ModbusDefaults = DeviceSpecOf<'modbus'>['defaults'];
type Encoding = ModbusPoint['as'];

const WORDS: Readonly<Record<Exclude<Encoding, 'text'>, number>> = {
  bool: 1,
  int16: 1,
  uint16: 1,
  int32: 2,
  uint32: 2,
  float32: 2,
  int64: 4,
  uint64: 4,
  float64: 4,
};

const DECODE_ERROR = bad('decode-error');
const SENSOR_FAULT = bad('sensor-fault');
const OUT_OF_RANGE = bad('out-of-range');

/** One point, ready to be decoded without looking anything up. */
export interface MappedPoint extends Mapped {
  readonly id: PointId;
  readonly no: PointNo;
  readonly as: Encoding;
  readonly swapWords: boolean;
  readonly swapBytes: boolean;
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
  return {
    id,
    no,
    table: point.table ?? defaults.table,
    address: point.at - defaults.base,
    width: registersOf(point),
    as: point.as,
    swapWords: order === 'CDAB' || order === 'DCBA',
    swapBytes: order === 'BADC' || order === 'DCBA',
    isScaled: scale !== 1 || offset !== 0,
    multiplier: divisor === 1 ? scale : 1,
    divisor,
    offset,
  };
}

function registersOf(point: ModbusPoint): number {
  return point.as === 'text' ? (point.length ?? 1) : WORDS[point.as];
}

function decimalDivisor(scale: number): number {
  const inverse = Math.round(1 / scale);
  return Math.log10(Math.abs(inverse)) % 1 === 0 && 1 / inverse === scale ? inverse : 1;
}

const scratch = new DataView(new ArrayBuffer(8));
const utf8 = new TextDecoder('utf-8', { fatal: true });

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
  const { no, as } = point;
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
  loadWords(point, data, at);
  if (as === 'bool') {
    batch.pushBool(no, nowMs, nowMs, scratch.getUint16(0) !== 0);
  } else if ((as === 'int64' || as === 'uint64') && !point.isScaled) {
    batch.pushInt(no, nowMs, nowMs, scratch.getBigInt64(0), GOOD, Kind[as]);
  } else {
    pushScaled(batch, point, loadedNumber(as), nowMs);
  }
}

function loadedNumber(as: (typeof NUMERIC_ENCODINGS)[number]): number {
  switch (as) {
    case 'int16':
      return scratch.getInt16(0);
    case 'uint16':
      return scratch.getUint16(0);
    case 'int32':
      return scratch.getInt32(0);
    case 'uint32':
      return scratch.getUint32(0);
    case 'float32':
      return scratch.getFloat32(0);
    case 'float64':
      return scratch.getFloat64(0);
    case 'int64':
      return scratch.getInt32(0) * 0x1_0000_0000 + scratch.getUint32(4);
    case 'uint64':
      return scratch.getUint32(0) * 0x1_0000_0000 + scratch.getUint32(4);
  }
}

/** Brings the registers into big-endian order, whatever order the device keeps. */
function loadWords(point: MappedPoint, data: Uint8Array, at: number): void {
  const { width, swapBytes, swapWords } = point;
  for (let word = 0; word < width; word++) {
    const high = data[at + 2 * word] ?? 0;
    const low = data[at + 2 * word + 1] ?? 0;
    scratch.setUint16(
      2 * (swapWords ? width - 1 - word : word),
      swapBytes ? (low << 8) | high : (high << 8) | low,
    );
  }
}

/** A NaN says "no measurement" and an infinity "beyond my range": errors, which are never passed on as values. */
function pushScaled(batch: SampleBatch, point: MappedPoint, raw: number, nowMs: number): void {
  const value = point.isScaled ? (raw * point.multiplier) / point.divisor + point.offset : raw;
  if (Number.isFinite(value)) batch.pushNumber(point.no, nowMs, nowMs, value);
  else batch.pushNull(point.no, nowMs, nowMs, Number.isNaN(value) ? SENSOR_FAULT : OUT_OF_RANGE);
}

/** Ends at the first NUL; trailing blanks are padding. Word order does not apply to texts. */
function decodeText(
  batch: SampleBatch,
  point: MappedPoint,
  data: Uint8Array,
  at: number,
  nowMs: number,
): void {
  const bytes = data.slice(at, at + 2 * point.width);
  if (point.swapBytes) swapPairs(bytes);
  const end = bytes.indexOf(0);
  try {
    const text = utf8.decode(end === -1 ? bytes : bytes.subarray(0, end));
    batch.pushText(point.no, nowMs, nowMs, text.trimEnd());
  } catch {
    batch.pushNull(point.no, nowMs, nowMs, DECODE_ERROR);
  }
}

function swapPairs(bytes: Uint8Array): void {
  for (let i = 0; i + 1 < bytes.length; i += 2) {
    const first = bytes[i] ?? 0;
    bytes[i] = bytes[i + 1] ?? 0;
    bytes[i + 1] = first;
  }
}

const INTEGER_RANGE: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int16: [-0x8000n, 0x7fffn],
  uint16: [0n, 0xffffn],
  int32: [-0x8000_0000n, 0x7fff_ffffn],
  uint32: [0n, 0xffff_ffffn],
  int64: [-0x8000_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn],
  uint64: [0n, 0xffff_ffff_ffff_ffffn],
};

/**
 * The registers that hold `value`, given in the point's unit. A scaled value is rounded to the nearest step.
 * @throws InvalidInputError `VALUE_INVALID`
 */
export function encode(point: MappedPoint, value: Value): Encoded {
  if (point.as === 'bool') {
    const on = value === true || value === 1 ? true : value === false || value === 0 ? false : undefined;
    if (on === undefined) throw refused(point, value, 'true or false');
    return isBitTable(point.table)
      ? { to: 'coil', on }
      : { to: 'registers', words: storeWords(point, on ? 1 : 0) };
  }
  if (point.as === 'text') return { to: 'registers', words: encodeText(point, value) };
  if (typeof value !== 'number' && typeof value !== 'bigint') throw refused(point, value, 'a number');
  if (point.as === 'float32' || point.as === 'float64') {
    const raw = ((Number(value) - point.offset) * point.divisor) / point.multiplier;
    const fits = Number.isFinite(point.as === 'float32' ? Math.fround(raw) : raw);
    if (!fits) throw refused(point, value, `a number that fits ${point.as}`);
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

function encodeText(point: MappedPoint, value: Value): number[] {
  if (typeof value !== 'string') throw refused(point, value, 'a text');
  const bytes = new Uint8Array(2 * point.width);
  const text = new TextEncoder().encode(value);
  if (text.length > bytes.length || text.includes(0)) {
    throw refused(point, value, `a text of at most ${bytes.length} bytes without NUL`);
  }
  bytes.set(text);
  if (point.swapBytes) swapPairs(bytes);
  return Array.from({ length: point.width }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
}

function storeWords(point: MappedPoint, value: number | bigint): number[] {
  const { width, swapBytes, swapWords } = point;
  if (point.as === 'float32') scratch.setFloat32(0, Number(value));
  else if (point.as === 'float64') scratch.setFloat64(0, Number(value));
  else if (width === 4) scratch.setBigInt64(0, BigInt(value));
  else if (width === 2) scratch.setInt32(0, Number(value));
  else scratch.setInt16(0, Number(value));
  return Array.from({ length: width }, (_, i) => {
    const word = scratch.getUint16(2 * (swapWords ? width - 1 - i : i));
    return swapBytes ? ((word & 0xff) << 8) | (word >> 8) : word;
  });
}

function refused(point: MappedPoint, value: Value, wanted: string): InvalidInputError {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : String(value);
  return new InvalidInputError('VALUE_INVALID', `point "${point.id}": ${shown} is not ${wanted}`);
}
