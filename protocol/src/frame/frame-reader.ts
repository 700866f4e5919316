import crc32c from 'crc-32/crc32c.js';
import { LimitError } from '../errors.ts';
import type { PointNo } from '../ids.ts';
import type { SampleBatch } from '../samples/batch.ts';
import { BlockDecoder, type Times } from './block-decoder.ts';
import { invalidFrame } from './bytes.ts';
import type { Cells } from './cells.ts';
import type { FrameHeader, FramePoint } from './frame.ts';
import { FrameDirectory } from './frame-directory.ts';
import { readTexts } from './text-table.ts';

/**
 * A frame whose CRC and directory are right. Columns are decoded when they are asked for, from `bytes`, which are
 * kept and must not change.
 */
export class Frame {
  readonly bytes: Uint8Array;
  readonly directory: FrameDirectory;
  readonly #times: (Times | undefined)[] = [];
  readonly #classes: (Cells | undefined)[] = [];
  #decoder: BlockDecoder | undefined;
  #points: readonly FramePoint[] | undefined;
  #texts: readonly string[] | undefined;

  constructor(parts: { readonly bytes: Uint8Array; readonly directory: FrameDirectory }) {
    this.bytes = parts.bytes;
    this.directory = parts.directory;
  }

  get header(): FrameHeader {
    return this.directory.header;
  }

  /** In ascending point number. */
  get points(): readonly FramePoint[] {
    this.#points ??= Array.from({ length: this.directory.pointCount }, (_, index) =>
      this.directory.pointAt(index),
    );
    return this.#points;
  }

  point(no: PointNo): FramePoint | undefined {
    const index = this.directory.indexOf(no);
    return index < 0 ? undefined : this.directory.pointAt(index);
  }

  /**
   * Appends the samples of one point to `into`, in the order they were written.
   * @returns how many; 0 when the frame has no such point
   * @throws LimitError `BATCH_FULL`, InvalidInputError `FRAME_INVALID`; `into` then ends where it did
   */
  readPoint(no: PointNo, into: SampleBatch): number {
    const index = this.directory.indexOf(no);
    if (index < 0) return 0;
    const count = this.directory.countAt(index);
    expectRoom(into, count);
    this.#read(index, into);
    return count;
  }

  /**
   * Appends every sample, point by point, in ascending point number.
   * @returns how many: `header.sampleCount`
   * @throws LimitError `BATCH_FULL`, InvalidInputError `FRAME_INVALID`; `into` then ends where it did
   */
  readAll(into: SampleBatch): number {
    const rows = into.length;
    const texts = into.strings.length;
    expectRoom(into, this.header.sampleCount);
    try {
      for (let index = 0; index < this.directory.pointCount; index++) this.#read(index, into);
    } catch (error) {
      into.length = rows;
      into.strings.length = texts;
      throw error;
    }
    return this.header.sampleCount;
  }

  #read(index: number, into: SampleBatch): void {
    const { directory } = this;
    const count = directory.countAt(index);
    const place = directory.placeOf[index] as number;
    const row = into.length;
    const texts = into.strings.length;
    try {
      if (place >= 0) this.#readBlock(place, count, into, row);
      else this.#readSparse(-1 - place, count, into, row);
    } catch (error) {
      into.strings.length = texts;
      throw error;
    }
    into.point.fill(directory.pointNos[index] as number, row, row + count);
    into.length = row + count;
  }

  #readBlock(block: number, count: number, into: SampleBatch, row: number): void {
    const { blockOffsets, timelineOf } = this.directory;
    const times = this.#timesOf(timelineOf[block] as number, count);
    const at = blockOffsets[block] as number;
    this.#blocks.readBlock(at, blockOffsets[block + 1] as number, count, into, row);
    into.tSourceMs.set(times.tSourceMs, row);
    into.tGatewayMs.set(times.tGatewayMs, row);
  }

  #readSparse(point: number, count: number, into: SampleBatch, row: number): void {
    const { sparse } = this.directory;
    if (sparse === undefined) return;
    const inClass = sparse.classOf[point] as number;
    this.#classes[inClass] ??= this.#blocks.readClass(sparse, inClass);
    this.#blocks.copySparse(sparse, point, this.#classes[inClass], count, into, row);
    const from = sparse.instantFrom[point] as number;
    for (let index = 0; index < count; index++) {
      const instant = sparse.instants[from + index] as number;
      into.tSourceMs[row + index] = sparse.tSourceMs[instant] as number;
      into.tGatewayMs[row + index] = sparse.tGatewayMs[instant] as number;
    }
  }

  get #blocks(): BlockDecoder {
    this.#decoder ??= new BlockDecoder({
      bytes: this.bytes,
      texts: () => this.#readTexts(),
    });
    return this.#decoder;
  }

  #timesOf(timeline: number, count: number): Times {
    let times = this.#times[timeline];
    if (times === undefined) {
      const { timelineOffsets, timelineFirstMs } = this.directory;
      times = this.#blocks.readTimes(
        timelineOffsets[timeline] as number,
        timelineOffsets[timeline + 1] as number,
        count,
        timelineFirstMs[timeline] as number,
      );
      this.#times[timeline] = times;
    }
    return times;
  }

  #readTexts(): readonly string[] {
    const { directoryLength, textBytes } = this.directory;
    this.#texts ??=
      textBytes === 0 ? [] : readTexts(this.bytes, directoryLength, directoryLength + textBytes);
    return this.#texts;
  }
}

function expectRoom(into: SampleBatch, count: number): void {
  const room = into.capacity - into.length;
  if (count > room) {
    throw new LimitError('BATCH_FULL', `${count} samples do not fit a batch with room for ${room}`, {
      hint: "size the batch by the frame's or the point's sampleCount",
    });
  }
}

/**
 * Checks magic, version, lengths and CRC and reads the directory, but no column.
 * @param bytes one whole frame; kept by the result
 * @throws InvalidInputError `FRAME_INVALID`
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  const directory = new FrameDirectory(bytes);
  if (directory.byteLength !== bytes.length) {
    throw invalidFrame(`the frame says it has ${directory.byteLength} bytes, but ${bytes.length} are here`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getInt32(4, true) !== crc32c.buf(bytes.subarray(8), crc32c.buf(bytes.subarray(0, 4)))) {
    throw invalidFrame('the CRC of the frame does not match its bytes');
  }
  return new Frame({ bytes, directory });
}
