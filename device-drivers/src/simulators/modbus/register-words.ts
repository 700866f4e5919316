import type { ModbusPoint, Value } from '@millwright/protocol';

/** A point as it stands in the registers: its own ones, and how they are to be read. */
export interface RegisterPoint {
  readonly point: ModbusPoint;
  readonly width: number;
  readonly order: string;
}

const FLOATS = ['float16', 'float32', 'float64'];

/** Puts a value into its registers; bits of other points that share one with it stay. */
export function putValue({ point, width, order }: RegisterPoint, value: Value, words: Uint16Array): void {
  const { as, scale = 1, offset = 0 } = point;
  const isText = as === 'text';
  if (!isText && !FLOATS.includes(as)) {
    const raw = as === 'bool' ? BigInt(value === true) : wholeOf(point, value);
    putBits(words, order, raw, point);
    return;
  }
  const bytes = Buffer.alloc(2 * width);
  if (isText) bytes.write(String(value ?? ''), point.charset === 'latin1' ? 'latin1' : 'utf8');
  else writeFloat(bytes, (Number(value) - offset) / scale);
  words.set(wordsOf(bytes, order, isText));
}

/** The value that stands in its registers. */
export function takeValue({ point, order }: RegisterPoint, words: Uint16Array): Value {
  const { as, scale = 1, offset = 0 } = point;
  const bytes = bytesOf(words, order, as === 'text');
  const isPlain = scale === 1 && offset === 0;
  if (as === 'text')
    return bytes.toString(point.charset === 'latin1' ? 'latin1' : 'utf8').replace(/\0.*$/s, '');
  if (FLOATS.includes(as)) return isPlain ? readFloat(bytes) : readFloat(bytes) * scale + offset;
  const [low, count] = fieldOf(point, words.length);
  const raw = BigInt.asUintN(count, BigInt(`0x${bytes.toString('hex')}`) >> BigInt(low));
  if (as === 'bool') return raw !== 0n;
  if (as.startsWith('bcd')) {
    const digits = BigInt(raw.toString(16));
    return as === 'bcd64' && isPlain ? digits : Number(digits) * scale + offset;
  }
  const whole = as.startsWith('u') ? raw : BigInt.asIntN(count, raw);
  return as.endsWith('64') && isPlain ? whole : Number(whole) * scale + offset;
}

/** Lowest bit and number of bits that are the point's own. */
function fieldOf({ as, bit, bits, byte, mask, shift }: ModbusPoint, width: number): [number, number] {
  if (bit !== undefined) return [bit, 1];
  if (bits !== undefined) return [bits[0], bits[1] - bits[0] + 1];
  if (mask !== undefined) return [shift ?? 0, mask.toString(2).length - (shift ?? 0)];
  if (as === 'int8' || as === 'uint8') return [byte === 'hi' ? 8 : 0, 8];
  return [shift ?? 0, 16 * width - (shift ?? 0)];
}

function putBits(words: Uint16Array, order: string, value: bigint, point: ModbusPoint): void {
  const [low, count] = fieldOf(point, words.length);
  const field = ((1n << BigInt(count)) - 1n) << BigInt(low);
  const before = BigInt(`0x${bytesOf(words, order, false).toString('hex')}`);
  const after = (before & ~field) | ((value << BigInt(low)) & field);
  const hex = after.toString(16).padStart(4 * words.length, '0');
  words.set(wordsOf(Buffer.from(hex, 'hex'), order, false));
}

/** The raw whole number, kept within what the encoding holds. */
function wholeOf(point: ModbusPoint, value: Value): bigint {
  const { as, scale = 1, offset = 0 } = point;
  const raw =
    typeof value === 'bigint' && scale === 1 && offset === 0
      ? value
      : BigInt(Math.round((Number(value ?? 0) - offset) / scale));
  const size = Number(/\d+$/.exec(as)?.[0] ?? 16);
  if (as.startsWith('bcd')) return BigInt(`0x${within(raw, 0n, 10n ** BigInt(size / 4) - 1n)}`);
  if (as.startsWith('u')) return within(raw, 0n, (1n << BigInt(size)) - 1n);
  return within(raw, -(1n << BigInt(size - 1)), (1n << BigInt(size - 1)) - 1n);
}

function within(value: bigint, low: bigint, high: bigint): bigint {
  if (value < low) return low;
  return value > high ? high : value;
}

function writeFloat(bytes: Buffer, value: number): void {
  if (bytes.length === 8) bytes.writeDoubleBE(value);
  else if (bytes.length === 4) bytes.writeFloatBE(value);
  else bytes.writeUInt16BE(nearestHalf(value));
}

function readFloat(bytes: Buffer): number {
  if (bytes.length === 8) return bytes.readDoubleBE();
  return bytes.length === 4 ? bytes.readFloatBE() : halfAt(bytes.readUInt16BE());
}

function halfAt(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  const sign = bits >> 15 === 1 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15));
}

/** Halves grow with their bits: the nearest is found by looking, which is slow and beyond doubt. */
function nearestHalf(value: number): number {
  const size = Math.abs(value);
  let [low, high] = [0, 0x7bff];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (halfAt(middle) < size) low = middle + 1;
    else high = middle;
  }
  const nearest = low > 0 && size - halfAt(low - 1) < halfAt(low) - size ? low - 1 : low;
  return nearest | (value < 0 || Object.is(value, -0) ? 0x8000 : 0);
}

/** `ABCD` and the like are habits of every width; an order spelt with all bytes says where each of them stands. */
function lettersOf(order: string, sizeBytes: number, isText: boolean): number[] {
  const straight = Array.from({ length: sizeBytes }, (_, at) => at);
  if (order.length === sizeBytes && order.length !== 4)
    return [...order].map((each) => each.charCodeAt(0) - 65);
  const swapped = order === 'BA' || order === 'BADC' || order === 'DCBA';
  if (sizeBytes === 4 && !isText) return [...order].map((each) => each.charCodeAt(0) - 65);
  const pairs = straight.map((at) => (swapped ? at ^ 1 : at));
  const reversed = !isText && (order === 'CDAB' || order === 'DCBA');
  return reversed ? pairs.map((_, at) => pairs[sizeBytes - 2 - (at & ~1) + (at & 1)] ?? 0) : pairs;
}

function wordsOf(bytes: Buffer, order: string, isText: boolean): Uint16Array {
  const onWire = Buffer.from(lettersOf(order, bytes.length, isText).map((at) => bytes[at] ?? 0));
  return Uint16Array.from({ length: bytes.length / 2 }, (_, at) => onWire.readUInt16BE(2 * at));
}

function bytesOf(words: Uint16Array, order: string, isText: boolean): Buffer {
  const bytes = Buffer.alloc(2 * words.length);
  const places = lettersOf(order, bytes.length, isText);
  for (const [at, place] of places.entries()) {
    const word = words[at >> 1] ?? 0;
    bytes[place] = at & 1 ? word & 0xff : word >> 8;
  }
  return bytes;
}
