import { LimitError } from '../errors.ts';
import { MAX_TEXT_LENGTH } from '../samples/value.ts';
import { ByteReader, type ByteWriter, invalidFrame } from './bytes.ts';

/** The distinct texts of a frame being filled. */
export class TextTable {
  readonly #indices = new Map<string, number>();
  #texts: string[] = [];
  #offered: string | undefined;
  /** What the table cannot exceed. */
  boundBytes = 0;
  #grown = 0;

  get size(): number {
    return this.#texts.length;
  }

  /**
   * @returns the bytes the table grows at most when the text is accepted
   * @throws LimitError `TEXT_TOO_LONG`
   */
  offer(text: string): number {
    if (this.#indices.has(text)) {
      this.#offered = undefined;
      this.#grown = 0;
      return 0;
    }
    if (text.length > MAX_TEXT_LENGTH) {
      throw new LimitError(
        'TEXT_TOO_LONG',
        `a text of ${text.length} characters does not fit a frame; at most ${MAX_TEXT_LENGTH}`,
        { hint: 'put samples into a SampleBatch with push or pushText, which refuse longer ones' },
      );
    }
    this.#offered = text;
    this.#grown = 3 + 3 * text.length;
    return this.#grown;
  }

  /** @returns the number of the text offered last, which was `text` */
  accept(text: string): number {
    const offered = this.#offered;
    if (offered === undefined) return this.#indices.get(text) as number;
    this.#offered = undefined;
    this.boundBytes += this.#grown;
    const index = this.#texts.push(offered) - 1;
    this.#indices.set(offered, index);
    return index;
  }

  write(out: ByteWriter): void {
    if (this.#texts.length === 0) return;
    out.varint(this.#texts.length);
    for (const text of this.#texts) writeText(out, text);
  }

  clear(): void {
    this.#indices.clear();
    this.#texts = [];
    this.#offered = undefined;
    this.boundBytes = 0;
  }
}

const UTF8 = new TextEncoder();

function writeText(out: ByteWriter, text: string): void {
  if (text.isWellFormed()) {
    const bytes = UTF8.encode(text);
    out.varint(2 * bytes.length);
    out.reserve(bytes.length);
    out.bytes.set(bytes, out.length);
    out.length += bytes.length;
    return;
  }
  // A lone surrogate has no UTF-8: such a text travels as UTF-16.
  out.varint(4 * text.length + 1);
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    out.byte(unit & 255);
    out.byte(unit >> 8);
  }
}

/** @throws InvalidInputError `FRAME_INVALID` */
export function readTexts(bytes: Uint8Array, from: number, to: number): string[] {
  const reader = new ByteReader(bytes, from, to);
  const size = reader.varint();
  // Every text has a byte of its own for its length at least.
  if (size > to - from) throw invalidFrame('the text table has more texts than bytes');
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const texts: string[] = [];
  for (let index = 0; index < size; index++) {
    const head = reader.varint();
    const length = Math.floor(head / 2);
    const at = reader.skip(length);
    const raw = bytes.subarray(at, at + length);
    texts.push(head % 2 === 0 ? utf8(decoder, raw) : utf16(raw));
  }
  reader.expectEnd();
  return texts;
}

function utf8(decoder: TextDecoder, raw: Uint8Array): string {
  try {
    return decoder.decode(raw);
  } catch (cause) {
    throw invalidFrame('a text of the frame is not UTF-8', cause);
  }
}

function utf16(raw: Uint8Array): string {
  let text = '';
  for (let at = 0; at + 1 < raw.length; at += 2) {
    text += String.fromCharCode((raw[at] as number) | ((raw[at + 1] as number) << 8));
  }
  return text;
}
