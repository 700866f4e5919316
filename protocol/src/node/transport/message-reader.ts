import { Uint8ArrayList } from 'uint8arraylist';
import { LimitError } from '../../errors.ts';

const MAX_PREFIX_BYTES = 3;

/**
 * Cuts a byte stream into messages, each preceded by its length as an unsigned LEB128 number.
 * Messages are cut when they are asked for, so that a flood of tiny ones costs no more memory than its bytes;
 * one is copied only when it came in several pieces.
 */
export class MessageReader {
  readonly #maxBytes: number;
  readonly #buffer = new Uint8ArrayList();

  /** @param options.maxBytes at most 2,097,151: what three length bytes can say */
  constructor(options: { readonly maxBytes: number }) {
    this.#maxBytes = options.maxBytes;
  }

  /** Received and not yet taken, lengths included. */
  get bufferedBytes(): number {
    return this.#buffer.byteLength;
  }

  push(bytes: Uint8Array | Uint8ArrayList): void {
    this.#buffer.append(bytes);
  }

  /**
   * The next complete message, or `undefined` until more is pushed.
   * @throws LimitError `MESSAGE_TOO_LARGE`; the reader is of no use after that
   */
  next(): Uint8Array | undefined {
    let length = 0;
    for (let at = 0; at < this.#buffer.byteLength; at++) {
      const byte = this.#buffer.get(at);
      length |= (byte & 0x7f) << (7 * at);
      const complete = byte < 0x80;
      if (length > this.#maxBytes || (!complete && at + 1 === MAX_PREFIX_BYTES)) {
        throw new LimitError(
          'MESSAGE_TOO_LARGE',
          `the peer announces a message of more than ${this.#maxBytes} bytes`,
        );
      }
      if (complete) return this.#cut(at + 1, length);
    }
    return undefined;
  }

  clear(): void {
    this.#buffer.consume(this.#buffer.byteLength);
  }

  #cut(from: number, length: number): Uint8Array | undefined {
    const end = from + length;
    if (this.#buffer.byteLength < end) return undefined;
    const message = length === 0 ? new Uint8Array(0) : this.#buffer.subarray(from, end);
    this.#buffer.consume(end);
    return message;
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
