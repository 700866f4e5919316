import { InvalidInputError, type Value } from '@millwright/protocol';
import { halfOf, isDecimal, type MappedPoint, unscaled } from './codec.ts';
import { isBitTable } from './plan.ts';

/** What a write puts on the wire. */
export type Encoded =
  | { readonly to: 'coil'; readonly on: boolean }
  | { readonly to: 'registers'; readonly words: readonly number[] };

const bytes = new Uint8Array(8);
const scratch = new DataView(bytes.buffer);

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
  if (point.factor?.missing !== undefined)
    throw refused(point, value, 'written yet, because the device has not told the scale');
  if (point.part !== undefined || point.as === 'int8' || point.as === 'uint8')
    throw refused(point, value, 'written, because the point is only part of a register');
  if (point.as === 'float16' || point.as === 'float32' || point.as === 'float64') {
    const raw = unscaled(point, Number(value));
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
  const raw = Math.round(unscaled(point, Number(value)));
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
