import crc32c from 'crc-32/crc32c.js';
import { InvalidInputError, LimitError } from '../errors.ts';
import type { SampleBatch } from '../samples/batch.ts';
import { Kind } from '../samples/value.ts';
import { MAX_FRAME_BYTES } from '../wire/v1/limits.ts';
import { BlockEncoder } from './block-encoder.ts';
import { ByteWriter } from './bytes.ts';
import { type Cells, cells } from './cells.ts';
import { FRAME_VERSION, type FrameId, MAX_FRAME_SAMPLES } from './frame.ts';
import { growInt32, growUint8 } from './integers.ts';
import { FIXED_HEADER_BYTES, MAGIC, MAX_HEADER_BYTES, TimelineRef } from './layout.ts';
import { Placement } from './placement.ts';
import { PointTracker } from './point-tracker.ts';
import { SparseEncoder } from './sparse-encoder.ts';
import { TextTable } from './text-table.ts';
import { TimelineEncoder } from './timeline-encoder.ts';
import { TimelineTracker } from './timeline-tracker.ts';

/**
 * Collects rows and seals them into frames of at most `MAX_FRAME_BYTES` and `MAX_FRAME_SAMPLES`.
 *
 * Rows of one point keep the order they were appended in, with out-of-order and repeated times as they are;
 * the order between different points is not kept. Its columns are reused from frame to frame.
 */
export class FrameWriter {
  #sampleCount = 0;
  /** Per row: the point's slot, and the cell with its kind and quality. */
  #slots = new Int32Array(256);
  #kinds = new Uint8Array(256);
  #qualities = new Uint8Array(256);
  #cells = cells(256);
  /** The same, point by point, and by slot where a point begins. */
  #sortedKinds = new Uint8Array(256);
  #sortedQualities = new Uint8Array(256);
  #sortedCells = cells(256);
  #places = new Int32Array(64);
  #order = new Float64Array(64);

  readonly #points = new PointTracker();
  readonly #times = new TimelineTracker();
  readonly #placement = new Placement({ points: this.#points, times: this.#times });
  readonly #texts = new TextTable();
  readonly #blocks = new BlockEncoder();
  readonly #timelines = new TimelineEncoder({ integers: this.#blocks.integers });
  readonly #sparse = new SparseEncoder({ integers: this.#blocks.integers });
  readonly #header = new ByteWriter(128);
  readonly #directory = new ByteWriter();
  readonly #data = new ByteWriter(4096);

  get sampleCount(): number {
    return this.#sampleCount;
  }

  /** What a frame sealed now cannot exceed. */
  get boundBytes(): number {
    return Math.ceil(this.#bytes);
  }

  /** Smallest source time held, whole ms; `Infinity` when empty. */
  get firstMs(): number {
    return this.#times.firstMs;
  }

  /** Largest source time held, whole ms; `-Infinity` when empty. */
  get lastMs(): number {
    return this.#times.lastMs;
  }

  /**
   * Copies rows `fromRow … toRow − 1` until the frame is full. An empty writer always takes at least one.
   * @returns how many rows were taken; when fewer than asked, seal and append the rest
   * @throws LimitError `TEXT_TOO_LONG` for a row that no `SampleBatch` method makes; the rows before it are taken
   */
  append(batch: SampleBatch, fromRow = 0, toRow = batch.length): number {
    const room = Math.min(toRow - fromRow, MAX_FRAME_SAMPLES - this.#sampleCount);
    const at = this.#sampleCount;
    this.#reserve(at + room);
    this.#kinds.set(batch.kind.subarray(fromRow, fromRow + room), at);
    this.#qualities.set(batch.quality.subarray(fromRow, fromRow + room), at);
    this.#cells.words.set(batch.words.subarray(2 * fromRow, 2 * (fromRow + room)), 2 * at);
    let taken = 0;
    try {
      while (taken < room && this.#take(batch, fromRow + taken, at + taken)) taken++;
    } finally {
      this.#sampleCount += taken;
    }
    return taken;
  }

  /**
   * @returns the frame's bytes, the caller's own; the writer is empty again
   * @throws InvalidInputError `FRAME_ID` unless epoch and seq are whole numbers 0 … 2^53 − 1
   */
  seal(id: FrameId): Uint8Array {
    expectCounter('epoch', id.epoch);
    expectCounter('seq', id.seq);
    const data = this.#data;
    const directory = this.#directory;
    data.length = 0;
    directory.length = 0;
    this.#texts.write(data);
    const textBytes = data.length;
    const order = this.#sort();
    this.#timelines.begin(this.#times, directory, data);
    const points = this.#points;
    const own = order.filter((slot) => points.classOf[slot] === -1);
    const sparse = order.filter((slot) => points.classOf[slot] !== -1);
    for (const slot of own) this.#timelines.add(points.nodeOf[slot] as number);
    this.#encodeBlocks(own);
    if (sparse.length > 0) {
      this.#sparse.encode(directory, data, {
        slots: sparse,
        starts: this.#places,
        points,
        times: this.#times,
        keys: this.#placement.keys,
        cells: this.#sortedCells,
      });
    }
    const bytes = this.#assemble(id, own.length, sparse.length, textBytes);
    this.clear();
    return bytes;
  }

  /** Forgets all rows. */
  clear(): void {
    this.#sampleCount = 0;
    this.#points.clear();
    this.#times.clear();
    this.#placement.clear();
    this.#texts.clear();
  }

  /**
   * @param at where the row's cell, kind and quality have been copied to
   * @returns false when the row does not fit any more
   */
  #take(batch: SampleBatch, row: number, at: number): boolean {
    const points = this.#points;
    const times = this.#times;
    const kind = batch.kind[row] as Kind;
    const quality = batch.quality[row] as number;
    const slot = points.slotOf(batch.point[row] as number);
    let textBytes = 0;
    if (kind === Kind.float64) {
      points.offerDouble(slot, quality, batch.value[row] as number);
    } else {
      if (kind === Kind.text) textBytes = this.#texts.offer(textOf(batch, row));
      points.offerOther(
        slot,
        kind,
        quality,
        batch.words[2 * row] as number,
        batch.words[2 * row + 1] as number,
      );
    }
    const node = times.next(
      points.nodeOf[slot] as number,
      batch.tSourceMs[row] as number,
      batch.tGatewayMs[row] as number,
    );
    const now = this.#placement.move(slot, node);
    if (this.#bytes + textBytes > MAX_FRAME_BYTES) {
      this.#placement.undo();
      times.refuse();
      points.refuse(slot);
      return false;
    }
    points.accept(slot, node, now);
    this.#slots[at] = slot;
    if (kind === Kind.text) this.#cells.value[at] = this.#texts.accept(textOf(batch, row));
    else if (kind === Kind.bool) this.#cells.value[at] = batch.value[row] === 0 ? 0 : 1;
    return true;
  }

  get #bytes(): number {
    return MAX_HEADER_BYTES + this.#texts.boundBytes + this.#placement.boundBytes;
  }

  /** Moves every point's rows together. @returns the slots in order of point number */
  #sort(): Int32Array {
    const points = this.#points;
    if (this.#order.length < points.slots) this.#order = new Float64Array(2 * points.slots);
    let used = 0;
    let isSorted = true;
    let previous = -1;
    for (let slot = 0; slot < points.slots; slot++) {
      if (points.countOf[slot] === 0) continue;
      const point = points.pointOf[slot] as number;
      if (point < previous) isSorted = false;
      previous = point;
      this.#order[used++] = point;
    }
    const order = this.#order.subarray(0, used);
    if (!isSorted) order.sort();
    const slots = new Int32Array(used);
    for (let index = 0; index < used; index++) slots[index] = points.slotOf(order[index] as number);
    this.#places = growInt32(this.#places, points.slots, 0);
    const places = this.#places;
    let place = 0;
    for (const slot of slots) {
      places[slot] = place;
      place += points.countOf[slot] as number;
    }
    this.#gather(places);
    for (const slot of slots) places[slot] = (places[slot] as number) - (points.countOf[slot] as number);
    return slots;
  }

  #gather(places: Int32Array): void {
    const count = this.#sampleCount;
    if (this.#sortedKinds.length < count) {
      this.#sortedKinds = growUint8(this.#sortedKinds, count, 0);
      this.#sortedQualities = growUint8(this.#sortedQualities, count, 0);
      this.#sortedCells = cells(this.#sortedKinds.length);
    }
    const slots = this.#slots;
    const kinds = this.#kinds;
    const qualities = this.#qualities;
    const from = this.#cells.words;
    const into = this.#sortedCells.words;
    const sortedKinds = this.#sortedKinds;
    const sortedQualities = this.#sortedQualities;
    for (let row = 0; row < count; row++) {
      const slot = slots[row] as number;
      const place = places[slot] as number;
      places[slot] = place + 1;
      sortedKinds[place] = kinds[row] as number;
      sortedQualities[place] = qualities[row] as number;
      into[2 * place] = from[2 * row] as number;
      into[2 * place + 1] = from[2 * row + 1] as number;
    }
  }

  #encodeBlocks(own: Int32Array): void {
    const points = this.#points;
    const data = this.#data;
    const directory = this.#directory;
    const column = {
      cells: this.#sortedCells,
      kinds: this.#sortedKinds,
      qualities: this.#sortedQualities,
    };
    let previous = -1;
    let timeline = -1;
    let highest = -1;
    for (const slot of own) {
      const count = points.countOf[slot] as number;
      const start = data.length;
      this.#blocks.encode(data, column, this.#places[slot] as number, count, {
        kind: points.kindOf[slot] as number,
        shape: points.shapeOf[slot] as 0 | 1 | 2,
        exponent: points.exponentOf[slot] as number,
        mixedQuality: points.hasMixedQuality(slot),
      });
      const point = points.pointOf[slot] as number;
      const found = this.#timelines.timelineOf(points.nodeOf[slot] as number);
      const skipped = 4 * (point - previous - 1);
      if (found === timeline) {
        directory.varint(skipped + TimelineRef.same);
      } else if (found === highest + 1) {
        directory.varint(skipped + TimelineRef.next);
      } else {
        directory.varint(skipped + TimelineRef.other);
        directory.varint(found);
      }
      directory.varint(data.length - start);
      previous = point;
      timeline = found;
      if (found > highest) highest = found;
    }
  }

  #assemble(id: FrameId, own: number, sparse: number, textBytes: number): Uint8Array {
    const header = this.#header;
    const isEmpty = this.#sampleCount === 0;
    const firstMs = isEmpty ? 0 : this.#times.firstMs;
    header.length = 0;
    header.varint(id.epoch);
    header.varint(id.seq);
    header.varint(this.#sampleCount);
    header.signed(firstMs);
    header.varint(isEmpty ? 0 : this.#times.lastMs - firstMs);
    header.varint(textBytes);
    header.varint(this.#timelines.size);
    header.varint(own);
    header.varint(sparse);
    const dataFrom = FIXED_HEADER_BYTES + header.length + this.#directory.length;
    const bytes = new Uint8Array(dataFrom + this.#data.length);
    if (bytes.length > MAX_FRAME_BYTES) {
      throw new LimitError('FRAME_FULL', `the frame takes ${bytes.length} bytes; at most ${MAX_FRAME_BYTES}`);
    }
    bytes.set(MAGIC);
    bytes[3] = FRAME_VERSION;
    const view = new DataView(bytes.buffer);
    view.setUint16(8, bytes.length, true);
    view.setUint16(10, dataFrom, true);
    bytes.set(header.bytes.subarray(0, header.length), FIXED_HEADER_BYTES);
    bytes.set(this.#directory.bytes.subarray(0, this.#directory.length), FIXED_HEADER_BYTES + header.length);
    bytes.set(this.#data.bytes.subarray(0, this.#data.length), dataFrom);
    view.setInt32(4, crc32c.buf(bytes.subarray(8), crc32c.buf(bytes.subarray(0, 4))), true);
    return bytes;
  }

  #reserve(count: number): void {
    if (count <= this.#slots.length) return;
    const kept = this.#sampleCount;
    this.#slots = growInt32(this.#slots, count, kept);
    this.#kinds = growUint8(this.#kinds, count, kept);
    this.#qualities = growUint8(this.#qualities, count, kept);
    const grown: Cells = cells(this.#slots.length);
    grown.words.set(this.#cells.words.subarray(0, 2 * kept));
    this.#cells = grown;
  }
}

function expectCounter(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw new InvalidInputError('FRAME_ID', `${name} ${value} must be a whole number from 0 to 2^53 - 1`);
}

function textOf(batch: SampleBatch, row: number): string {
  return batch.strings[batch.value[row] as number] ?? '';
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
