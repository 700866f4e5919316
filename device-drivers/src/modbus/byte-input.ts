/** A bounded receive buffer: more than it holds is taken in turns. */
export class ByteInput {
  readonly #bytes: Buffer;
  #start = 0;
  #end = 0;

  constructor(capacity: number) {
    this.#bytes = Buffer.alloc(capacity);
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** Appends what fits. @returns the rest */
  take(bytes: Uint8Array): Uint8Array {
    if (this.#start > 0) {
      this.#bytes.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const fits = Math.min(bytes.length, this.#bytes.length - this.#end);
    this.#bytes.set(fits === bytes.length ? bytes : bytes.subarray(0, fits), this.#end);
    this.#end += fits;
    return bytes.subarray(fits);
  }

  byte(at: number): number {
    return this.#bytes[this.#start + at] ?? 0;
  }

  uint16(at: number): number {
    return (this.byte(at) << 8) | this.byte(at + 1);
  }

  view(at: number, length: number): Buffer {
    return this.#bytes.subarray(this.#start + at, this.#start + at + length);
  }

  indexOf(byte: number): number {
    const at = this.#bytes.subarray(this.#start, this.#end).indexOf(byte);
    return at;
  }

  drop(count: number): void {
    this.#start += count;
  }
}
