import { type ByteReader, type ByteWriter, invalidFrame } from './bytes.ts';

const TWO32 = 0x1_0000_0000;

/** Values per Rice block: each block has its own parameter. */
export const RICE_BLOCK = 64;
/** Parameter that says "every value of the block is 0". */
const ALL_ZERO = 63;
const PARAMETER_BITS = 6;
/** A quotient of this many ones is no quotient: the value follows in full. */
const ESCAPE = 24;
const ESCAPED_BITS = 54;

export function fixedBytes(count: number, width: number): number {
  if (width <= 32) return Math.ceil((count * width) / 8);
  return 4 * count + Math.ceil((count * (width - 32)) / 8);
}

/**
 * Packs whole numbers 0 … 2^width − 1, least significant bit first. Above 32 bits, the low 32 bits of all
 * come first and the rest of all follows.
 */
export function packFixed(out: ByteWriter, values: Float64Array, count: number, width: number): void {
  out.reserve(fixedBytes(count, width) + 8);
  if (width <= 32) {
    packPlane(out, values, count, width, 1);
  } else {
    packPlane(out, values, count, 32, 1);
    packPlane(out, values, count, width - 32, TWO32);
  }
}

function packPlane(
  out: ByteWriter,
  values: Float64Array,
  count: number,
  width: number,
  divisor: number,
): void {
  if (width === 0) return;
  const bytes = out.bytes;
  let at = out.length;
  let pending = 0;
  let filled = 0;
  for (let index = 0; index < count; index++) {
    const value =
      divisor === 1 ? (values[index] as number) >>> 0 : ((values[index] as number) / divisor) >>> 0;
    pending |= value << filled;
    filled += width;
    if (filled >= 32) {
      bytes[at] = pending;
      bytes[at + 1] = pending >>> 8;
      bytes[at + 2] = pending >>> 16;
      bytes[at + 3] = pending >>> 24;
      at += 4;
      filled -= 32;
      // A shift by 32 is a shift by 0 in JavaScript.
      pending = filled === 0 ? 0 : value >>> (width - filled);
    }
  }
  for (; filled > 0; filled -= 8) {
    bytes[at++] = pending;
    pending >>>= 8;
  }
  out.length = at;
}

export function unpackFixed(from: ByteReader, into: Float64Array, count: number, width: number): void {
  const at = from.skip(fixedBytes(count, width));
  if (width <= 32) {
    unpackPlane(from.bytes, at, into, count, width);
    return;
  }
  unpackPlane(from.bytes, at, into, count, 32);
  addPlane(from.bytes, at + 4 * count, into, count, width - 32);
}

function unpackPlane(
  bytes: Uint8Array,
  start: number,
  into: Float64Array,
  count: number,
  width: number,
): void {
  if (width === 0) {
    into.fill(0, 0, count);
    return;
  }
  const mask = width === 32 ? -1 : (1 << width) - 1;
  let at = start;
  let pending = 0;
  let filled = 0;
  for (let index = 0; index < count; index++) {
    if (filled >= width) {
      into[index] = (pending & mask) >>> 0;
      pending = width === 32 ? 0 : pending >>> width;
      filled -= width;
      continue;
    }
    // Past the section's last byte this loads what follows it (or nothing): those bits are never used.
    const next =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    at += 4;
    into[index] = ((pending | (next << filled)) & mask) >>> 0;
    const used = width - filled;
    pending = used === 32 ? 0 : next >>> used;
    filled = 32 - used;
  }
}

function addPlane(bytes: Uint8Array, start: number, into: Float64Array, count: number, width: number): void {
  let bit = 8 * start;
  for (let index = 0; index < count; index++) {
    into[index] = (into[index] as number) + TWO32 * bitsAt(bytes, bit, width);
    bit += width;
  }
}

/** At most 25 bits at a bit offset; bytes past the end read as 0. */
function bitsAt(bytes: Uint8Array, bit: number, width: number): number {
  return windowAt(bytes, bit) & ((1 << width) - 1);
}

function windowAt(bytes: Uint8Array, bit: number): number {
  const at = bit >>> 3;
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    (bit & 7)
  );
}

/** The Rice parameter for values of this mean. */
function riceParameter(mean: number): number {
  // 2^k ≥ mean · ln 2 is the best k for a geometric distribution.
  let parameter = 0;
  for (let reach = 1; reach < 0.69 * mean && parameter < 50; reach *= 2) parameter++;
  return parameter;
}

/** Bits per value that `packRice` needs for values of this mean, roughly. */
export function riceBits(mean: number): number {
  const parameter = riceParameter(mean);
  const quotient = mean / 2 ** parameter;
  return (
    PARAMETER_BITS / RICE_BLOCK + parameter + 1 + (parameter === 0 ? quotient : Math.max(0.1, quotient - 0.5))
  );
}

/**
 * Rice codes of whole numbers 0 … 2^53, in blocks of 64: 6 bits parameter k, then per value the quotient by 2^k
 * in ones, a zero, and the k low bits.
 */
export function packRice(out: ByteWriter, values: Float64Array, count: number): void {
  const bits = new BitSink(out, Math.ceil((count * (ESCAPE + ESCAPED_BITS)) / 8) + count + 8);
  for (let from = 0; from < count; from += RICE_BLOCK) {
    const to = Math.min(count, from + RICE_BLOCK);
    let sum = 0;
    let largest = 0;
    for (let index = from; index < to; index++) {
      const value = values[index] as number;
      sum += value;
      if (value > largest) largest = value;
    }
    if (largest === 0) {
      bits.put(ALL_ZERO, PARAMETER_BITS);
      continue;
    }
    const parameter = riceParameter(sum / (to - from));
    bits.put(parameter, PARAMETER_BITS);
    if (largest < 0x8000_0000) bits.riceBlock(values, from, to, parameter);
    else bits.wideRiceBlock(values, from, to, parameter);
  }
  bits.finish();
}

class BitSink {
  readonly #out: ByteWriter;
  readonly #bytes: Uint8Array;
  #at: number;
  #pending = 0;
  #filled = 0;

  constructor(out: ByteWriter, reserve: number) {
    out.reserve(reserve);
    this.#out = out;
    this.#bytes = out.bytes;
    this.#at = out.length;
  }

  put(value: number, width: number): void {
    this.#pending |= value << this.#filled;
    this.#filled += width;
    if (this.#filled < 32) return;
    this.#flush();
    this.#filled -= 32;
    this.#pending = this.#filled === 0 ? 0 : value >>> (width - this.#filled);
  }

  riceBlock(values: Float64Array, from: number, to: number, parameter: number): void {
    const mask = (1 << parameter) - 1;
    for (let index = from; index < to; index++) {
      const value = (values[index] as number) | 0;
      const quotient = value >>> parameter;
      if (quotient >= ESCAPE) {
        this.#escape(value, 0);
      } else if (quotient + parameter < 32) {
        this.put(((1 << quotient) - 1) | ((value & mask) << (quotient + 1)), quotient + 1 + parameter);
      } else {
        this.put((1 << quotient) - 1, quotient + 1);
        this.put(value & mask, parameter);
      }
    }
  }

  wideRiceBlock(values: Float64Array, from: number, to: number, parameter: number): void {
    const scale = 2 ** parameter;
    for (let index = from; index < to; index++) {
      const value = values[index] as number;
      const quotient = Math.floor(value / scale);
      if (quotient >= ESCAPE) {
        this.#escape(value >>> 0, Math.floor(value / TWO32));
        continue;
      }
      this.put((1 << quotient) - 1, quotient + 1);
      const low = value - quotient * scale;
      if (parameter <= 32) {
        if (parameter > 0) this.put(low >>> 0, parameter);
      } else {
        this.put(low >>> 0, 32);
        this.put(Math.floor(low / TWO32), parameter - 32);
      }
    }
  }

  finish(): void {
    for (; this.#filled > 0; this.#filled -= 8) {
      this.#bytes[this.#at++] = this.#pending;
      this.#pending >>>= 8;
    }
    this.#out.length = this.#at;
  }

  #escape(low: number, high: number): void {
    this.put((1 << ESCAPE) - 1, ESCAPE);
    this.put(low, 32);
    this.put(high, ESCAPED_BITS - 32);
  }

  #flush(): void {
    const at = this.#at;
    const pending = this.#pending;
    this.#bytes[at] = pending;
    this.#bytes[at + 1] = pending >>> 8;
    this.#bytes[at + 2] = pending >>> 16;
    this.#bytes[at + 3] = pending >>> 24;
    this.#at = at + 4;
  }
}

export function unpackRice(from: ByteReader, into: Float64Array, count: number): void {
  const bytes = from.bytes;
  const lastBit = 8 * from.end;
  let bit = 8 * from.at;
  for (let start = 0; start < count; start += RICE_BLOCK) {
    const to = Math.min(count, start + RICE_BLOCK);
    const parameter = bitsAt(bytes, bit, PARAMETER_BITS);
    bit += PARAMETER_BITS;
    if (parameter === ALL_ZERO) {
      into.fill(0, start, to);
    } else {
      bit = unpackRiceBlock(bytes, bit, into, start, to, parameter);
    }
    if (bit > lastBit) throw invalidFrame('a packed column ends too early');
  }
  from.at = (bit + 7) >>> 3;
}

function unpackRiceBlock(
  bytes: Uint8Array,
  firstBit: number,
  into: Float64Array,
  from: number,
  to: number,
  parameter: number,
): number {
  let bit = firstBit;
  const scale = 2 ** parameter;
  for (let index = from; index < to; index++) {
    const window = windowAt(bytes, bit);
    // The bit set at ESCAPE ends the search there.
    const zeros = ~window | (1 << ESCAPE);
    const quotient = 31 - Math.clz32(zeros & -zeros);
    if (quotient >= ESCAPE) {
      bit += ESCAPE;
      into[index] =
        bitsAt(bytes, bit, 16) +
        0x1_0000 * bitsAt(bytes, bit + 16, 16) +
        TWO32 * bitsAt(bytes, bit + 32, ESCAPED_BITS - 32);
      bit += ESCAPED_BITS;
      continue;
    }
    bit += quotient + 1;
    let low = 0;
    if (parameter <= 25) {
      low = bitsAt(bytes, bit, parameter);
    } else {
      low = bitsAt(bytes, bit, 25) + 0x200_0000 * bitsAt(bytes, bit + 25, Math.min(25, parameter - 25));
      if (parameter > 50) low += 2 ** 50 * bitsAt(bytes, bit + 50, parameter - 50);
    }
    bit += parameter;
    into[index] = quotient * scale + low;
  }
  return bit;
}
