/**
 * Plain Gorilla, as a yardstick: delta-of-delta times, XOR values.
 * @see Pelkonen et al., "Gorilla: A Fast, Scalable, In-Memory Time Series Database", VLDB 2015, §4.1
 */
export function gorillaEncode(times: Float64Array, values: Float64Array): Uint8Array {
  const bits = new BitWriter(32 + 20 * times.length);
  const words = new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
  const start = new Uint32Array(Float64Array.of(times[0] as number).buffer);
  bits.put(start[0] as number, 32);
  bits.put(start[1] as number, 32);
  bits.put(words[0] as number, 32);
  bits.put(words[1] as number, 32);
  let step = 0;
  let leading = -1;
  let length = 0;
  for (let index = 1; index < values.length; index++) {
    const next = (times[index] as number) - (times[index - 1] as number);
    putBend(bits, next - step);
    step = next;
    const lower = ((words[2 * index] as number) ^ (words[2 * index - 2] as number)) >>> 0;
    const upper = ((words[2 * index + 1] as number) ^ (words[2 * index - 1] as number)) >>> 0;
    if (lower === 0 && upper === 0) {
      bits.put(0, 1);
      continue;
    }
    const zerosBefore = Math.min(31, upper !== 0 ? Math.clz32(upper) : 32 + Math.clz32(lower));
    const zerosAfter = lower !== 0 ? 31 - Math.clz32(lower & -lower) : 63 - Math.clz32(upper & -upper);
    if (leading >= 0 && zerosBefore >= leading && zerosAfter >= 64 - leading - length) {
      bits.put(0b01, 2);
    } else {
      leading = zerosBefore;
      length = 64 - zerosBefore - zerosAfter;
      bits.put(0b11, 2);
      bits.put(leading, 5);
      bits.put(length & 63, 6);
    }
    putMiddle(bits, lower, upper, 64 - leading - length, length);
  }
  return bits.finish();
}

export function gorillaDecode(bytes: Uint8Array, times: Float64Array, values: Float64Array): void {
  const bits = new BitReader(bytes);
  const words = new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
  const start = new Uint32Array(times.buffer, times.byteOffset, 2);
  start[0] = bits.get(32);
  start[1] = bits.get(32);
  words[0] = bits.get(32);
  words[1] = bits.get(32);
  let step = 0;
  let leading = 0;
  let length = 0;
  for (let index = 1; index < values.length; index++) {
    step += getBend(bits);
    times[index] = (times[index - 1] as number) + step;
    let lower = 0;
    let upper = 0;
    if (bits.get(1) === 1) {
      if (bits.get(1) === 1) {
        leading = bits.get(5);
        length = bits.get(6) || 64;
      }
      const shift = 64 - leading - length;
      const first = bits.get(Math.min(32, length));
      const second = length > 32 ? bits.get(length - 32) : 0;
      lower = shift < 32 ? first << shift : 0;
      upper =
        (shift === 0
          ? second
          : shift < 32
            ? (first >>> (32 - shift)) | (second << shift)
            : first << (shift - 32)) | 0;
    }
    words[2 * index] = (words[2 * index - 2] as number) ^ lower;
    words[2 * index + 1] = (words[2 * index - 1] as number) ^ upper;
  }
}

/** The `length` bits of a 64-bit word from bit `shift` up, lower half first. */
function putMiddle(bits: BitWriter, lower: number, upper: number, shift: number, length: number): void {
  const first =
    shift === 0 ? lower : shift < 32 ? (lower >>> shift) | (upper << (32 - shift)) : upper >>> (shift - 32);
  bits.put(first, Math.min(32, length));
  if (length > 32) bits.put(shift === 0 ? upper : upper >>> shift, length - 32);
}

function putBend(bits: BitWriter, bend: number): void {
  if (bend === 0) bits.put(0, 1);
  else if (bend >= -63 && bend <= 64) tagged(bits, 0b01, 2, bend, 7);
  else if (bend >= -255 && bend <= 256) tagged(bits, 0b011, 3, bend, 9);
  else if (bend >= -2047 && bend <= 2048) tagged(bits, 0b0111, 4, bend, 12);
  else tagged(bits, 0b1111, 4, bend, 32);
}

function tagged(bits: BitWriter, tag: number, tagBits: number, value: number, width: number): void {
  bits.put(tag, tagBits);
  bits.put(value | 0, width);
}

function getBend(bits: BitReader): number {
  if (bits.get(1) === 0) return 0;
  if (bits.get(1) === 0) return signed(bits.get(7), 7);
  if (bits.get(1) === 0) return signed(bits.get(9), 9);
  if (bits.get(1) === 0) return signed(bits.get(12), 12);
  return bits.get(32) | 0;
}

function signed(value: number, width: number): number {
  return value > 2 ** (width - 1) ? value - 2 ** width : value;
}

class BitWriter {
  readonly #bytes: Uint8Array;
  #at = 0;
  #pending = 0;
  #filled = 0;

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
  }

  put(value: number, width: number): void {
    const field = width === 32 ? value : value & ((1 << width) - 1);
    this.#pending |= field << this.#filled;
    this.#filled += width;
    if (this.#filled < 32) return;
    for (let byte = 0; byte < 4; byte++) this.#bytes[this.#at++] = this.#pending >>> (8 * byte);
    this.#filled -= 32;
    this.#pending = this.#filled === 0 ? 0 : field >>> (width - this.#filled);
  }

  finish(): Uint8Array {
    for (; this.#filled > 0; this.#filled -= 8) {
      this.#bytes[this.#at++] = this.#pending;
      this.#pending >>>= 8;
    }
    return this.#bytes.slice(0, this.#at);
  }
}

class BitReader {
  readonly #bytes: Uint8Array;
  #bit = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @returns 0 … 2^width − 1 */
  get(width: number): number {
    const at = this.#bit >>> 3;
    const shift = this.#bit & 7;
    const bytes = this.#bytes;
    const low =
      (bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24);
    const field = shift === 0 ? low : (low >>> shift) | ((bytes[at + 4] ?? 0) << (32 - shift));
    this.#bit += width;
    return width === 32 ? field >>> 0 : field & ((1 << width) - 1);
  }
}
