import crc32c from 'crc-32/crc32c.js';
import { LimitError } from '../errors.ts';
import type { PointNo } from '../ids.ts';
import type { SampleBatch } from '../samples/batch.ts';
import { Kind, MAX_TEXT_LENGTH } from '../samples/value.ts';
import { MAX_FRAME_BYTES } from '../wire/v1/limits.ts';
import { FRAME_VERSION, type FrameId, MAX_FRAME_SAMPLES } from './frame.ts';

/**
 * Collects rows and seals them into frames of at most `maxBytes`.
 *
 * Rows of one point keep the order they were appended in, with out-of-order and repeated times as they are;
 * the order between different points is not kept.
 */
export class FrameWriter {
  readonly maxBytes: number;
  #rows: Uint8Array[] = [];
  #points = new Map<number, number[]>();
  #bytes = 0;
  #firstMs = Number.POSITIVE_INFINITY;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly maxBytes?: number } = {}) {
    this.maxBytes = options.maxBytes ?? MAX_FRAME_BYTES;
  }

  get sampleCount(): number {
    return this.#rows.length;
  }

  /** What the sealed frame cannot exceed. */
  get boundBytes(): number {
    return 64 + this.#bytes + 32 * this.#points.size;
  }

  /** Smallest source time held; `Infinity` when empty. */
  get firstMs(): number {
    return this.#firstMs;
  }

  /** Largest source time held; `-Infinity` when empty. */
  get lastMs(): number {
    return this.#lastMs;
  }

  /**
   * Copies rows `fromRow … toRow − 1` until the frame is full.
   * @returns how many rows were taken; when fewer than asked, seal and append the rest
   * @throws LimitError `TEXT_TOO_LONG`, with the rows before it taken
   */
  append(batch: SampleBatch, fromRow = 0, toRow = batch.length): number {
    for (let row = fromRow; row < toRow; row++) {
      const kind = batch.kind[row] as Kind;
      let text: Uint8Array | undefined;
      if (kind === Kind.text) {
        const value = batch.strings[batch.value[row] as number] ?? '';
        if (value.length > MAX_TEXT_LENGTH) {
          throw new LimitError(
            'TEXT_TOO_LONG',
            `text of ${value.length} characters; at most ${MAX_TEXT_LENGTH}`,
          );
        }
        text = new TextEncoder().encode(value);
      }
      const bytes = new Uint8Array(30 + (text?.length ?? 0));
      const view = new DataView(bytes.buffer);
      view.setFloat64(0, batch.tSourceMs[row] as number, true);
      view.setFloat64(8, batch.tGatewayMs[row] as number, true);
      view.setUint8(16, kind);
      view.setUint8(17, batch.quality[row] as number);
      view.setInt32(18, batch.words[2 * row] as number, true);
      view.setInt32(22, batch.words[2 * row + 1] as number, true);
      if (text !== undefined) {
        view.setUint32(26, text.length, true);
        bytes.set(text, 30);
      }
      const point = batch.point[row] as PointNo;
      const isNew = !this.#points.has(point);
      if (
        this.boundBytes + bytes.length + (isNew ? 32 : 0) > this.maxBytes ||
        this.#rows.length === MAX_FRAME_SAMPLES
      ) {
        return row - fromRow;
      }
      if (isNew) this.#points.set(point, []);
      this.#points.get(point)?.push(this.#rows.push(bytes) - 1);
      this.#bytes += bytes.length;
      this.#firstMs = Math.min(this.#firstMs, batch.tSourceMs[row] as number);
      this.#lastMs = Math.max(this.#lastMs, batch.tSourceMs[row] as number);
    }
    return toRow - fromRow;
  }

  /** @returns the frame's bytes, the caller's own; the writer is empty again */
  seal(id: FrameId): Uint8Array {
    const bytes = new Uint8Array(64 + this.#bytes + 32 * this.#points.size);
    const view = new DataView(bytes.buffer);
    bytes.set([0x4d, 0x57, 0x46, FRAME_VERSION]);
    view.setFloat64(8, id.epoch, true);
    view.setFloat64(16, id.seq, true);
    view.setFloat64(24, this.sampleCount, true);
    view.setFloat64(32, this.sampleCount === 0 ? 0 : this.#firstMs, true);
    view.setFloat64(40, this.sampleCount === 0 ? 0 : this.#lastMs, true);
    view.setUint32(48, this.#points.size, true);
    let at = 64;
    let data = 64 + 32 * this.#points.size;
    for (const point of [...this.#points.keys()].sort((a, b) => a - b)) {
      const rows = this.#points.get(point) ?? [];
      let first = Number.POSITIVE_INFINITY;
      let last = Number.NEGATIVE_INFINITY;
      view.setUint32(at, point, true);
      view.setUint32(at + 4, rows.length, true);
      view.setUint32(at + 8, data, true);
      for (const row of rows) {
        const source = this.#rows[row] ?? new Uint8Array(0);
        bytes.set(source, data);
        const t = view.getFloat64(data, true);
        first = Math.min(first, t);
        last = Math.max(last, t);
        data += source.length;
      }
      view.setFloat64(at + 16, first, true);
      view.setFloat64(at + 24, last, true);
      at += 32;
    }
    view.setInt32(4, crc32c.buf(bytes.subarray(8), crc32c.buf(bytes.subarray(0, 4))), true);
    this.clear();
    return bytes;
  }

  clear(): void {
    this.#rows = [];
    this.#points.clear();
    this.#bytes = 0;
    this.#firstMs = Number.POSITIVE_INFINITY;
    this.#lastMs = Number.NEGATIVE_INFINITY;
  }
}

/**
 * One frame of a whole small batch, such as the live lane's.
 * @throws LimitError `FRAME_FULL` when the rows do not fit one frame
 */
export function encodeFrame(batch: SampleBatch, id: FrameId): Uint8Array {
  const writer = new FrameWriter();
  const taken = writer.append(batch);
  if (taken < batch.length) {
    throw new LimitError('FRAME_FULL', `${batch.length} samples do not fit one frame; ${taken} do`, {
      hint: 'use a FrameWriter, or send fewer samples at once',
    });
  }
  return writer.seal(id);
}
