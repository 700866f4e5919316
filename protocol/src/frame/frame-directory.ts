import type { PointNo } from '../ids.ts';
import { ByteReader, invalidFrame } from './bytes.ts';
import { FRAME_VERSION, type FrameHeader, type FramePoint, MAX_FRAME_SAMPLES } from './frame.ts';
import { FIXED_HEADER_BYTES, MAGIC, TimelineRef } from './layout.ts';
import { SparseDirectory } from './sparse-directory.ts';

const MAX_POINT_NO = 0x7fff_ffff;

/** Where everything of a frame is; offsets are absolute, so a store that can fetch ranges needs nothing else. */
export class FrameDirectory {
  readonly header: FrameHeader;
  /** Bytes of the whole frame, and of header and directory together. */
  readonly byteLength: number;
  readonly directoryLength: number;
  /** The text table follows the directory. */
  readonly textBytes: number;
  readonly pointCount: number;
  /** In ascending order. */
  readonly pointNos: Float64Array;
  /** By point: its block, or −1 − its place among the sparse points. */
  readonly placeOf: Int32Array;

  readonly timelineCounts: Int32Array;
  readonly timelineFirstMs: Float64Array;
  readonly timelineLastMs: Float64Array;
  readonly timelineOffsets: Int32Array;
  /** By block. */
  readonly timelineOf: Int32Array;
  readonly blockOffsets: Int32Array;
  readonly sparse: SparseDirectory | undefined;

  /** @throws InvalidInputError `FRAME_INVALID` */
  constructor(prefix: Uint8Array) {
    this.byteLength = lengthAt(prefix, 8);
    this.directoryLength = lengthAt(prefix, 10);
    if (MAGIC.some((byte, at) => prefix[at] !== byte))
      throw invalidFrame('the bytes do not begin like a frame');
    if (prefix[3] !== FRAME_VERSION) {
      throw invalidFrame(
        `frame version ${prefix[3]} is not known; this reader knows version ${FRAME_VERSION}`,
      );
    }
    if (this.directoryLength < FIXED_HEADER_BYTES || this.directoryLength > this.byteLength) {
      throw invalidFrame('the directory of the frame is longer than the frame');
    }
    const reader = new ByteReader(prefix, FIXED_HEADER_BYTES, this.directoryLength);
    const epoch = reader.varint();
    const seq = reader.varint();
    const sampleCount = reader.varint();
    const firstMs = reader.signed();
    const lastMs = firstMs + reader.varint();
    this.header = { version: FRAME_VERSION, epoch, seq, sampleCount, firstMs, lastMs };
    this.textBytes = reader.varint();
    const timelines = reader.varint();
    const blocks = reader.varint();
    const sparse = reader.varint();
    this.pointCount = blocks + sparse;
    // What is larger is damage, and must not be allocated: every point has a sample, every timeline a point.
    if (sampleCount > MAX_FRAME_SAMPLES || this.pointCount > sampleCount || timelines > blocks) {
      throw invalidFrame('the frame claims more than it can hold');
    }
    this.timelineCounts = new Int32Array(timelines);
    this.timelineFirstMs = new Float64Array(timelines);
    this.timelineLastMs = new Float64Array(timelines);
    this.timelineOffsets = new Int32Array(timelines + 1);
    this.timelineOf = new Int32Array(blocks);
    this.blockOffsets = new Int32Array(blocks + 1);
    this.pointNos = new Float64Array(this.pointCount);
    this.placeOf = new Int32Array(this.pointCount);
    const blocksFrom = this.#readTimelines(reader, firstMs);
    const ownSamples = this.#readBlocks(reader, blocksFrom);
    const classesFrom = this.blockOffsets[blocks] as number;
    if (sparse > 0) {
      this.sparse = new SparseDirectory(reader, sparse, sampleCount - ownSamples, firstMs, classesFrom);
    }
    reader.expectEnd();
    this.#merge(blocks);
    if ((this.sparse?.end ?? classesFrom) !== this.byteLength) {
      throw invalidFrame('the sections of the frame do not add up to its length');
    }
    const found = ownSamples + (this.sparse?.samples ?? 0);
    if (found !== sampleCount) {
      throw invalidFrame(`the points of the frame have ${found} samples, its header ${sampleCount}`);
    }
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
    const place = this.placeOf[index] as number;
    if (place < 0) return this.sparse?.countOf[-1 - place] as number;
    return this.timelineCounts[this.timelineOf[place] as number] as number;
  }

  pointAt(index: number): FramePoint {
    const point = this.pointNos[index] as PointNo;
    const sampleCount = this.countAt(index);
    const place = this.placeOf[index] as number;
    if (place >= 0) {
      const timeline = this.timelineOf[place] as number;
      return {
        point,
        sampleCount,
        firstMs: this.timelineFirstMs[timeline] as number,
        lastMs: this.timelineLastMs[timeline] as number,
      };
    }
    let firstMs = Number.POSITIVE_INFINITY;
    let lastMs = Number.NEGATIVE_INFINITY;
    const { sparse } = this;
    if (sparse !== undefined) {
      const from = sparse.instantFrom[-1 - place] as number;
      for (let sample = from; sample < from + sampleCount; sample++) {
        const ms = sparse.tSourceMs[sparse.instants[sample] as number] as number;
        if (ms < firstMs) firstMs = ms;
        if (ms > lastMs) lastMs = ms;
      }
    }
    return { point, sampleCount, firstMs, lastMs };
  }

  #readTimelines(reader: ByteReader, firstMs: number): number {
    let offset = this.directoryLength + this.textBytes;
    const offsets = this.timelineOffsets;
    for (let timeline = 0; timeline < this.timelineCounts.length; timeline++) {
      const count = reader.varint();
      if (count < 1 || count > this.header.sampleCount) {
        throw invalidFrame('a timeline has an impossible length');
      }
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

  /** @returns samples of all points with a block of their own */
  #readBlocks(reader: ByteReader, blocksFrom: number): number {
    const blocks = this.timelineOf.length;
    let offset = blocksFrom;
    let point = -1;
    let timeline = -1;
    let highest = -1;
    let samples = 0;
    for (let block = 0; block < blocks; block++) {
      const line = reader.varint();
      const ref = line % 4;
      point += 1 + (line - ref) / 4;
      if (ref === TimelineRef.next) timeline = highest + 1;
      else if (ref === TimelineRef.other) timeline = reader.varint();
      else if (ref !== TimelineRef.same) throw invalidFrame('a line of the directory is not understood');
      // Timelines are numbered as they are first used, so that none is there without a point.
      if (timeline < 0 || timeline > highest + 1 || timeline >= this.timelineCounts.length) {
        throw invalidFrame('a point refers to a timeline that is not there');
      }
      if (timeline > highest) highest = timeline;
      this.pointNos[block] = point;
      this.timelineOf[block] = timeline;
      this.blockOffsets[block] = this.#within(offset);
      offset += reader.varint();
      samples += this.timelineCounts[timeline] as number;
      if (samples > this.header.sampleCount) {
        throw invalidFrame('the points of the frame have more samples than its header says');
      }
    }
    if (highest !== this.timelineCounts.length - 1)
      throw invalidFrame('a timeline of the frame has no point');
    this.blockOffsets[blocks] = this.#within(offset);
    return samples;
  }

  /** Merges points with blocks, whose numbers are in front, and sparse points into one ascending list. */
  #merge(blocks: number): void {
    const nos = this.pointNos;
    const sparse = this.sparse?.pointNos ?? new Float64Array(0);
    let block = blocks - 1;
    let other = sparse.length - 1;
    for (let index = nos.length - 1; index >= 0; index--) {
      if (other < 0 || (block >= 0 && (nos[block] as number) > (sparse[other] as number))) {
        nos[index] = nos[block] as number;
        this.placeOf[index] = block--;
      } else {
        nos[index] = sparse[other] as number;
        this.placeOf[index] = -1 - other--;
      }
      if (index + 1 < nos.length && !((nos[index] as number) < (nos[index + 1] as number))) {
        throw invalidFrame('a point is in the directory twice');
      }
    }
    if (nos.length > 0 && (nos[nos.length - 1] as number) > MAX_POINT_NO) {
      throw invalidFrame('a point number of the frame is out of range');
    }
  }

  #within(offset: number): number {
    if (offset > this.byteLength) throw invalidFrame('a section of the frame lies outside of it');
    return offset;
  }
}

function lengthAt(prefix: Uint8Array, at: number): number {
  if (prefix.length < FIXED_HEADER_BYTES) {
    throw invalidFrame(`${prefix.length} bytes are no frame: its header alone has ${FIXED_HEADER_BYTES}`);
  }
  return (prefix[at] as number) | ((prefix[at + 1] as number) << 8);
}

/**
 * Reads header and directory from the beginning of a frame, without the rest of it and so without its CRC.
 * @param prefix at least as many bytes as `frameDirectoryLength` says
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
  return lengthAt(prefix, 10);
}
