import crc32c from 'crc-32/crc32c.js';
import { InvalidInputError, LimitError } from '../errors.ts';
import type { PointNo } from '../ids.ts';
import type { SampleBatch } from '../samples/batch.ts';
import { Kind } from '../samples/value.ts';
import { FRAME_VERSION, type FrameHeader, type FramePoint } from './frame.ts';

/** A frame whose CRC and directory are right; columns are decoded when read. Keeps `bytes`, which must not change. */
export class Frame {
  readonly header: FrameHeader;
  /** In ascending point number. */
  readonly points: readonly FramePoint[];
  readonly bytes: Uint8Array;
  readonly #offsets: ReadonlyMap<number, number>;

  constructor(parts: {
    readonly header: FrameHeader;
    readonly points: readonly FramePoint[];
    readonly bytes: Uint8Array;
    readonly offsets: ReadonlyMap<number, number>;
  }) {
    this.header = parts.header;
    this.points = parts.points;
    this.bytes = parts.bytes;
    this.#offsets = parts.offsets;
  }

  /**
   * Appends the samples of one point to `into`, in the order they were written.
   * @returns how many; 0 when the frame has no such point
   * @throws LimitError `BATCH_FULL` with nothing read; InvalidInputError `FRAME_INVALID`
   */
  readPoint(no: PointNo, into: SampleBatch): number {
    const point = this.points.find((entry) => entry.point === no);
    if (point === undefined) return 0;
    if (into.length + point.sampleCount > into.capacity) {
      throw new LimitError('BATCH_FULL', `${point.sampleCount} samples do not fit the batch`);
    }
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    let at = this.#offsets.get(no) ?? 0;
    for (let index = 0; index < point.sampleCount; index++) {
      const kind = view.getUint8(at + 16) as Kind;
      const tSource = view.getFloat64(at, true);
      const tGateway = view.getFloat64(at + 8, true);
      const quality = view.getUint8(at + 17);
      const length = kind === Kind.text ? view.getUint32(at + 26, true) : 0;
      if (kind === Kind.text) {
        const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(
          this.bytes.subarray(at + 30, at + 30 + length),
        );
        into.pushText(no, tSource, tGateway, text, quality);
      } else {
        into.pushNull(no, tSource, tGateway, quality);
        const row = into.length - 1;
        into.kind[row] = kind;
        into.words[2 * row] = view.getInt32(at + 18, true);
        into.words[2 * row + 1] = view.getInt32(at + 22, true);
      }
      at += 30 + length;
    }
    return point.sampleCount;
  }

  /** Appends every sample, point by point. `header.sampleCount` rows must be free. */
  readAll(into: SampleBatch): number {
    if (into.length + this.header.sampleCount > into.capacity) {
      throw new LimitError('BATCH_FULL', `${this.header.sampleCount} samples do not fit the batch`);
    }
    for (const point of this.points) this.readPoint(point.point, into);
    return this.header.sampleCount;
  }
}

/**
 * Checks magic, version, lengths and CRC and reads the directory.
 * @throws InvalidInputError `FRAME_INVALID`
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 64 || bytes[0] !== 0x4d || bytes[1] !== 0x57 || bytes[2] !== 0x46) {
    throw new InvalidInputError('FRAME_INVALID', 'not a frame');
  }
  if (bytes[3] !== FRAME_VERSION) {
    throw new InvalidInputError('FRAME_INVALID', `frame version ${bytes[3]} is not known`);
  }
  if (view.getInt32(4, true) !== crc32c.buf(bytes.subarray(8), crc32c.buf(bytes.subarray(0, 4)))) {
    throw new InvalidInputError('FRAME_INVALID', 'frame CRC does not match');
  }
  const points: FramePoint[] = [];
  const offsets = new Map<number, number>();
  for (let index = 0, at = 64; index < view.getUint32(48, true); index++, at += 32) {
    const point = view.getUint32(at, true) as PointNo;
    offsets.set(point, view.getUint32(at + 8, true));
    points.push({
      point,
      sampleCount: view.getUint32(at + 4, true),
      firstMs: view.getFloat64(at + 16, true),
      lastMs: view.getFloat64(at + 24, true),
    });
  }
  const header = {
    version: FRAME_VERSION,
    epoch: view.getFloat64(8, true),
    seq: view.getFloat64(16, true),
    sampleCount: view.getFloat64(24, true),
    firstMs: view.getFloat64(32, true),
    lastMs: view.getFloat64(40, true),
  };
  return new Frame({ header, points, bytes, offsets });
}
