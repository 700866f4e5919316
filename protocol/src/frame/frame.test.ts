import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LimitError } from '../errors.ts';
import type { PointNo } from '../ids.ts';
import { SampleBatch } from '../samples/batch.ts';
import { bad } from '../samples/quality.ts';
import { Kind, MAX_TEXT_LENGTH } from '../samples/value.ts';
import { MAX_FRAME_BYTES } from '../wire/v1/limits.ts';
import { MAX_FRAME_SAMPLES } from './frame.ts';
import { frameDirectoryLength, readFrameDirectory } from './frame-directory.ts';
import { decodeFrame } from './frame-reader.ts';
import { encodeFrame, FrameWriter } from './frame-writer.ts';
import { anyBatch } from './testing/batches.ts';
import { rowsOf } from './testing/rows.ts';
import { readFrame, sealAll } from './testing/seal.ts';

const NOW = Date.UTC(2026, 5, 1, 12);
const no = (point: number) => point as PointNo;

describe('a frame', () => {
  it('gives back every sample of every kind, bit for bit and in order per point', () => {
    const writer = new FrameWriter();
    fc.assert(
      fc.property(anyBatch, (batch) => {
        expect(rowsOf(sealAll(batch, writer).map(readFrame))).toEqual(rowsOf([batch]));
      }),
      { numRuns: 400 },
    );
  });

  it('is never larger than the writer said it could be', () => {
    fc.assert(
      fc.property(anyBatch, fc.nat(), (batch, seed) => {
        const writer = new FrameWriter();
        // Sealing after any row finds bounds that only hold at the end of a batch.
        const taken = writer.append(batch, 0, batch.length === 0 ? 0 : 1 + (seed % batch.length));
        const bound = writer.boundBytes;
        expect(writer.sampleCount).toBe(taken);
        expect(writer.seal({ epoch: 0, seq: 0 }).length).toBeLessThanOrEqual(bound);
      }),
      { numRuns: 400 },
    );
  });

  it('reads one point without the others, the same as among them', () => {
    fc.assert(
      fc.property(anyBatch, (batch) => {
        for (const bytes of sealAll(batch)) {
          const frame = decodeFrame(bytes);
          const all = rowsOf([readFrame(bytes)]);
          expect(frame.points.map(({ point }) => Number(point))).toEqual([...all.keys()]);
          for (const { point, sampleCount, firstMs, lastMs } of frame.points) {
            const into = new SampleBatch(sampleCount);
            expect(frame.readPoint(point, into)).toBe(sampleCount);
            expect(rowsOf([into]).get(point)).toEqual(all.get(point));
            const times = into.tSourceMs.filter((ms) => Math.abs(ms) < 2 ** 49);
            expect(times.every((ms) => ms >= firstMs && ms <= lastMs)).toBe(true);
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  it('says in its header which frame it is, how much it holds and of when', () => {
    const batch = new SampleBatch(3);
    batch.pushNumber(no(4), NOW + 5, NOW + 9, 1.5);
    batch.pushNumber(no(4), NOW, NOW, 2.5);
    batch.pushBool(no(9), NOW + 2, NOW + 2, true);
    const frame = decodeFrame(encodeFrame(batch, { epoch: 3, seq: 2 ** 40 }));
    expect(frame.header).toEqual({
      version: 1,
      epoch: 3,
      seq: 2 ** 40,
      sampleCount: 3,
      firstMs: NOW,
      lastMs: NOW + 5,
    });
    expect(frame.points).toEqual([
      { point: 4, sampleCount: 2, firstMs: NOW, lastMs: NOW + 5 },
      { point: 9, sampleCount: 1, firstMs: NOW + 2, lastMs: NOW + 2 },
    ]);
    expect(frame.point(no(9))).toEqual(frame.points[1]);
    expect(frame.point(no(5))).toBeUndefined();
    expect(frame.readPoint(no(5), batch)).toBe(0);
  });

  it('may be empty', () => {
    const frame = decodeFrame(new FrameWriter().seal({ epoch: 0, seq: 0 }));
    expect(frame.header.sampleCount).toBe(0);
    expect(frame.points).toEqual([]);
  });

  it('has a directory that the first bytes alone are enough for', () => {
    const batch = new SampleBatch(600);
    for (let row = 0; row < 600; row++) batch.pushNumber(no(row % 7), NOW + row, NOW + row, row / 10);
    const bytes = encodeFrame(batch, { epoch: 1, seq: 1 });
    const directory = readFrameDirectory(bytes.slice(0, frameDirectoryLength(bytes.slice(0, 12))));
    expect(directory.byteLength).toBe(bytes.length);
    expect(Array.from({ length: 7 }, (_, index) => directory.pointAt(index))).toEqual(
      decodeFrame(bytes).points,
    );
  });

  it('does not read into a batch without room, and leaves it as it was', () => {
    const batch = new SampleBatch(4);
    for (let row = 0; row < 4; row++) batch.pushText(no(1), NOW + row, NOW, 'open');
    const frame = decodeFrame(encodeFrame(batch, { epoch: 0, seq: 0 }));
    const into = new SampleBatch(3);
    for (const read of [() => frame.readAll(into), () => frame.readPoint(no(1), into)]) {
      expect(read).toThrowError(expect.objectContaining({ code: 'BATCH_FULL' }));
      expect([into.length, into.strings.length]).toEqual([0, 0]);
    }
  });
});

describe('FrameWriter', () => {
  it('takes what fits a frame, and the rest in the next ones', () => {
    const batch = new SampleBatch(100_000);
    for (let row = 0; row < batch.capacity; row++) {
      batch.pushNumber(no(row % 50), NOW + row, NOW + row + (row % 3), Math.sin(row));
    }
    const frames = sealAll(batch);
    expect(frames.length).toBeGreaterThan(5);
    expect(frames.every((bytes) => bytes.length <= MAX_FRAME_BYTES)).toBe(true);
    expect(rowsOf(frames.map(readFrame))).toEqual(rowsOf([batch]));
  });

  it('fills a frame well even with values that hardly compress', () => {
    const batch = new SampleBatch(20_000);
    for (let row = 0; row < batch.capacity; row++) batch.pushNumber(no(1), NOW, NOW, Math.sin(row * row));
    expect(sealAll(batch)[0]?.length).toBeGreaterThan(0.8 * MAX_FRAME_BYTES);
  });

  it('bounds the samples of a frame however well they compress', () => {
    const batch = new SampleBatch(MAX_FRAME_SAMPLES + 10);
    for (let row = 0; row < batch.capacity; row++)
      batch.pushNumber(no(1), NOW + 1000 * row, NOW + 1000 * row, 21);
    const frames = sealAll(batch);
    expect(frames.map((bytes) => decodeFrame(bytes).header.sampleCount)).toEqual([MAX_FRAME_SAMPLES, 10]);
    expect(frames[0]?.length).toBeLessThan(100);
  });

  it('takes any single sample, even the longest text with no plain letter in it', () => {
    const batch = new SampleBatch(1);
    batch.pushText(no(0x7fff_ffff), -(2 ** 53), Number.NaN, '\ud800'.repeat(MAX_TEXT_LENGTH), 255);
    expect(rowsOf(sealAll(batch).map(readFrame))).toEqual(rowsOf([batch]));
  });

  it('keeps working after a row was refused', () => {
    const long = new SampleBatch(4);
    for (let row = 0; row < 4; row++) {
      long.pushText(no(row), NOW + 10 ** (3 * row), NOW, String(row).repeat(MAX_TEXT_LENGTH));
    }
    const writer = new FrameWriter();
    const taken = writer.append(long);
    expect(taken).toBeLessThan(4);
    const first = decodeFrame(writer.seal({ epoch: 1, seq: 1 }));
    // The refused row has left no trace: not its time, not its point.
    expect(first.header.lastMs).toBe(NOW + 10 ** (3 * (taken - 1)));
    expect(first.points).toHaveLength(taken);
    expect(writer.append(long, taken)).toBe(4 - taken);
  });

  it('refuses a text too long, naming its length, and keeps the rows before it', () => {
    const batch = new SampleBatch(2);
    batch.pushNumber(no(1), NOW, NOW, 1);
    batch.pushText(no(2), NOW, NOW, '');
    batch.strings[0] = 'x'.repeat(MAX_TEXT_LENGTH + 1);
    const writer = new FrameWriter();
    expect(() => writer.append(batch)).toThrowError(expect.objectContaining({ code: 'TEXT_TOO_LONG' }));
    expect(writer.sampleCount).toBe(1);
  });

  it('refuses epochs and sequence numbers that are no counters', () => {
    for (const id of [
      { epoch: -1, seq: 0 },
      { epoch: 0, seq: 0.5 },
      { epoch: 0, seq: 2 ** 53 },
    ]) {
      expect(() => new FrameWriter().seal(id)).toThrowError(expect.objectContaining({ code: 'FRAME_ID' }));
    }
  });

  it('holds nothing after sealing or clearing', () => {
    const batch = new SampleBatch(1);
    batch.pushNumber(no(1), NOW, NOW, 1);
    const writer = new FrameWriter();
    const empty = writer.boundBytes;
    writer.append(batch);
    expect([writer.firstMs, writer.lastMs]).toEqual([NOW, NOW]);
    writer.clear();
    expect([writer.sampleCount, writer.boundBytes]).toEqual([0, empty]);
    expect(decodeFrame(writer.seal({ epoch: 0, seq: 0 })).header.sampleCount).toBe(0);
  });
});

describe('encodeFrame', () => {
  it('refuses a batch that does not fit one frame', () => {
    const batch = new SampleBatch(10_000);
    for (let row = 0; row < batch.capacity; row++) batch.pushNumber(no(1), NOW, NOW, Math.sin(row * row));
    expect(() => encodeFrame(batch, { epoch: 0, seq: 0 })).toThrowError(LimitError);
  });
});

describe('a sample batch', () => {
  it('keeps a text too long for any frame as no value, with the reason', () => {
    const batch = new SampleBatch(1);
    batch.pushText(no(1), NOW, NOW, 'x'.repeat(MAX_TEXT_LENGTH + 1));
    expect([batch.kind[0], batch.quality[0]]).toEqual([Kind.null, bad('out-of-range')]);
  });
});
