import { InvalidInputError } from '../errors.ts';

export function invalidFrame(message: string, cause?: unknown): InvalidInputError {
  return new InvalidInputError('FRAME_INVALID', message, {
    cause,
    hint: 'the bytes were damaged on their way or written by something else; fetch the frame again',
  });
}

/** Bytes a varint of `value` takes; `value` is a whole number 0 … 2^53. */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 128; rest /= 128) length++;
  return length;
}

/** Maps 0, −1, 1, −2 … to 0, 1, 2, 3 …; exact for |value| ≤ 2^52. */
export function zigzag(value: number): number {
  return value >= 0 ? 2 * value : -2 * value - 1;
}

export function unzigzag(value: number): number {
  const half = Math.floor(value / 2);
  return value === 2 * half ? half : -half - 1;
}

/** Bits that hold `value`, a whole number 0 … 2^53. */
export function bitWidth(value: number): number {
  return value < 0x1_0000_0000 ? 32 - Math.clz32(value) : 64 - Math.clz32(value / 0x1_0000_0000);
}

/** A growing run of bytes, reused between frames. */
export class ByteWriter {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;

  constructor(capacity = 1024) {
    this.bytes = new Uint8Array(capacity);
  }

  /** Makes room for `count` more bytes; writes below need it done before. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.bytes.length));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** LEB128 of a whole number 0 … 2^53. */
  varint(value: number): void {
    this.reserve(8);
    let rest = value;
    while (rest >= 0x8000_0000) {
      this.bytes[this.length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 128) {
      this.bytes[this.length++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.bytes[this.length++] = rest;
  }

  /** Whole number −2^52 … 2^52. */
  signed(value: number): void {
    this.varint(zigzag(value));
  }

  append(source: ByteWriter): void {
    this.reserve(source.length);
    this.bytes.set(source.bytes.subarray(0, source.length), this.length);
    this.length += source.length;
  }
}

/** Reads within `at … end` of a frame; running over the end is an error, never `undefined`. */
export class ByteReader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    if (at > end || end > bytes.length) throw invalidFrame('a section of the frame lies outside of it');
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  byte(): number {
    if (this.at >= this.end) throw invalidFrame('a section of the frame ends too early');
    return this.bytes[this.at++] as number;
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; factor < 2 ** 56; factor *= 128) {
      const next = this.byte();
      value += (next & 127) * factor;
      if (next < 128) return value;
    }
    throw invalidFrame('a number in the frame is longer than 8 bytes');
  }

  signed(): number {
    return unzigzag(this.varint());
  }

  /** The next `count` bytes, and moves past them. @returns where they begin */
  skip(count: number): number {
    const from = this.at;
    if (count > this.end - from) throw invalidFrame('a section of the frame ends too early');
    this.at = from + count;
    return from;
  }

  expectEnd(): void {
    if (this.at !== this.end) throw invalidFrame('a section of the frame is longer than its content');
  }
}
