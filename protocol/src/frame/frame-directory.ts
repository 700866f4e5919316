import type { PointNo } from '../ids.ts';
import { ByteReader, invalidFrame } from './bytes.ts';
import { FRAME_VERSION, type FrameHeader, type FramePoint, MAX_FRAME_SAMPLES } from './frame.ts';
import { FIXED_HEADER_BYTES, MAGIC, TimelineRef } from './layout.ts';

const MAX_POINT_NO = 0x7fff_ffff;

/** Where everything of a frame is. Offsets are absolute; a store that can fetch ranges needs nothing else. */
export class FrameDirectory {
  readonly header: FrameHeader;
  /** Bytes of the whole frame, and of header and directory together. */
  readonly byteLength: number;
  readonly directoryLength: number;
  readonly textBytes: number;
  readonly pointCount: number;
  readonly longestPoint: number;
  readonly pointNos: Int32Array;
  readonly timelineOf: Int32Array;
  readonly blockOffsets: Int32Array;
  readonly timelineOffsets: Int32Array;
  readonly timelineCounts: Int32Array;
  readonly timelineFirstMs: Float64Array;
  readonly timelineLastMs: Float64Array;

  /** @throws InvalidInputError `FRAME_INVALID` */
  constructor(prefix: Uint8Array) {
    if (prefix.length < FIXED_HEADER_BYTES) {
      throw invalidFrame(`${prefix.length} bytes are no frame: its header alone has ${FIXED_HEADER_BYTES}`);
    }
    if (MAGIC.some((byte, at) => prefix[at] !== byte))
      throw invalidFrame('the bytes do not begin like a frame');
    if (prefix[3] !== FRAME_VERSION) {
      throw invalidFrame(
        `frame version ${prefix[3]} is not known; this reader knows version ${FRAME_VERSION}`,
      );
    }
    this.byteLength = (prefix[8] as number) | ((prefix[9] as number) << 8);
    this.directoryLength = (prefix[10] as number) | ((prefix[11] as number) << 8);
    if (this.directoryLength < FIXED_HEADER_BYTES || this.directoryLength > this.byteLength) {
      throw invalidFrame('the directory of the frame is longer than the frame');
    }
    const reader = new ByteReader(prefix, FIXED_HEADER_BYTES, this.directoryLength);
    const epoch = reader.varint();
    const seq = reader.varint();
    const sampleCount = reader.varint();
    const firstMs = reader.signed();
    const lastMs = firstMs + reader.varint();
    this.pointCount = reader.varint();
    const timelines = reader.varint();
    this.textBytes = reader.varint();
    // Each takes at least two bytes of the directory: what is larger is damage, and must not be allocated.
    if (sampleCount > MAX_FRAME_SAMPLES || this.pointCount > prefix.length || timelines > this.pointCount) {
      throw invalidFrame('the frame claims more than it can hold');
    }
    this.header = { version: FRAME_VERSION, epoch, seq, sampleCount, firstMs, lastMs };
    this.timelineCounts = new Int32Array(timelines);
    this.timelineFirstMs = new Float64Array(timelines);
    this.timelineLastMs = new Float64Array(timelines);
    this.timelineOffsets = new Int32Array(timelines + 1);
    this.pointNos = new Int32Array(this.pointCount);
    this.timelineOf = new Int32Array(this.pointCount);
    this.blockOffsets = new Int32Array(this.pointCount + 1);
    const blocksFrom = this.#readTimelines(reader, firstMs);
    this.longestPoint = this.#readPoints(reader, blocksFrom);
    reader.expectEnd();
  }

  /** Place of a point in the directory, or −1. */
  indexOf(no: number): number {
    const nos = this.pointNos;
    let low = 0;
    let high = nos.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = nos[middle] as number;
      if (found === no) return middle;
      if (found < no) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  countAt(index: number): number {
    return this.timelineCounts[this.timelineOf[index] as number] as number;
  }

  pointAt(index: number): FramePoint {
    const timeline = this.timelineOf[index] as number;
    return {
      point: this.pointNos[index] as PointNo,
      sampleCount: this.timelineCounts[timeline] as number,
      firstMs: this.timelineFirstMs[timeline] as number,
      lastMs: this.timelineLastMs[timeline] as number,
    };
  }

  #readTimelines(reader: ByteReader, firstMs: number): number {
    let offset = this.directoryLength + this.textBytes;
    const offsets = this.timelineOffsets;
    for (let timeline = 0; timeline < this.timelineCounts.length; timeline++) {
      const count = reader.varint();
      if (count < 1 || count > this.header.sampleCount)
        throw invalidFrame('a timeline has an impossible length');
      this.timelineCounts[timeline] = count;
      const first = firstMs + reader.varint();
      this.timelineFirstMs[timeline] = first;
      this.timelineLastMs[timeline] = first + reader.varint();
      offsets[timeline] = this.#within(offset);
      offset += reader.varint();
    }
    offsets[this.timelineCounts.length] = this.#within(offset);
    return offset;
  }

  /** @returns samples of the point with most */
  #readPoints(reader: ByteReader, blocksFrom: number): number {
    let offset = blocksFrom;
    let point = -1;
    let timeline = -1;
    let highest = -1;
    let samples = 0;
    let longest = 0;
    for (let index = 0; index < this.pointCount; index++) {
      const line = reader.varint();
      const ref = line % 4;
      point += 1 + (line - ref) / 4;
      if (point > MAX_POINT_NO) throw invalidFrame('a point number of the frame is out of range');
      if (ref === TimelineRef.next) timeline = highest + 1;
      else if (ref === TimelineRef.other) timeline = reader.varint();
      else if (ref !== TimelineRef.same) throw invalidFrame('a line of the directory is not understood');
      if (timeline < 0 || timeline >= this.timelineCounts.length) {
        throw invalidFrame('a point refers to a timeline that is not there');
      }
      if (timeline > highest) highest = timeline;
      this.pointNos[index] = point;
      this.timelineOf[index] = timeline;
      this.blockOffsets[index] = this.#within(offset);
      offset += reader.varint();
      const count = this.timelineCounts[timeline] as number;
      samples += count;
      if (count > longest) longest = count;
    }
    this.blockOffsets[this.pointCount] = this.#within(offset);
    if (offset !== this.byteLength) throw invalidFrame('the blocks of the frame do not add up to its length');
    if (samples !== this.header.sampleCount) {
      throw invalidFrame(
        `the points of the frame have ${samples} samples, its header ${this.header.sampleCount}`,
      );
    }
    return longest;
  }

  #within(offset: number): number {
    if (offset > this.byteLength) throw invalidFrame('a section of the frame lies outside of it');
    return offset;
  }
}

/**
 * Reads header and directory from the first bytes of a frame, without the rest of it and so without its CRC.
 * @param prefix at least `directoryLength` bytes, which a first read of 12 bytes tells (see `frameDirectoryLength`)
 * @throws InvalidInputError `FRAME_INVALID`
 */
export function readFrameDirectory(prefix: Uint8Array): FrameDirectory {
  return new FrameDirectory(prefix);
}

/**
 * How many bytes `readFrameDirectory` needs.
 * @param prefix the first 12 bytes of a frame
 * @throws InvalidInputError `FRAME_INVALID`
 */
export function frameDirectoryLength(prefix: Uint8Array): number {
  if (prefix.length < FIXED_HEADER_BYTES)
    throw invalidFrame('12 bytes are needed to tell the directory length');
  return (prefix[10] as number) | ((prefix[11] as number) << 8);
}
