import type { Uint8ArrayList } from 'uint8arraylist';
import { LimitError } from '../../errors.ts';

const MAX_PREFIX_BYTES = 3;

/**
 * Cuts a byte stream into messages, each preceded by its length as an unsigned LEB128 number.
 * A message is copied only when it arrives in more than one piece.
 */
export class MessageReader {
  readonly #maxBytes: number;
  #length = 0;
  #prefixBytes = 0;
  #parts: Uint8Array[] = [];
  #missing = -1;

  /** @param options.maxBytes at most 2,097,151: what three length bytes can say */
  constructor(options: { readonly maxBytes: number }) {
    this.#maxBytes = options.maxBytes;
  }

  /** True between messages: the stream may end here. */
  get atBoundary(): boolean {
    return this.#missing === -1 && this.#prefixBytes === 0;
  }

  /**
   * Calls `take` for every message that `bytes` completes. The message may be a view into `bytes`.
   * @throws LimitError `MESSAGE_TOO_LARGE`; the reader is of no use after that
   */
  push(bytes: Uint8Array | Uint8ArrayList, take: (message: Uint8Array) => void): void {
    for (const chunk of bytes instanceof Uint8Array ? [bytes] : bytes) this.#pushChunk(chunk, take);
  }

  #pushChunk(chunk: Uint8Array, take: (message: Uint8Array) => void): void {
    let at = 0;
    while (at < chunk.length || this.#missing === 0) {
      if (this.#missing === -1) {
        this.#readPrefixByte(chunk[at++] ?? 0);
        continue;
      }
      const part = chunk.subarray(at, at + this.#missing);
      at += part.length;
      this.#missing -= part.length;
      this.#parts.push(part);
      if (this.#missing > 0) return;
      const message = this.#parts.length === 1 ? part : Buffer.concat(this.#parts, this.#length);
      this.#parts = [];
      this.#missing = -1;
      this.#prefixBytes = 0;
      take(message);
    }
  }

  #readPrefixByte(byte: number): void {
    if (this.#prefixBytes === 0) this.#length = 0;
    this.#length |= (byte & 0x7f) << (7 * this.#prefixBytes);
    this.#prefixBytes += 1;
    const complete = byte < 0x80;
    if (this.#length > this.#maxBytes || (!complete && this.#prefixBytes === MAX_PREFIX_BYTES)) {
      throw new LimitError(
        'MESSAGE_TOO_LARGE',
        `the peer announces a message of more than ${this.#maxBytes} bytes`,
      );
    }
    if (complete) this.#missing = this.#length;
  }
}

/** The length of a message as it precedes the message. */
export function lengthPrefix(length: number): Uint8Array {
  const bytes: number[] = [];
  let rest = length;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
