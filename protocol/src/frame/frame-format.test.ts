import { describe, expect, it } from 'vitest';
import type { PointNo } from '../ids.ts';
import { SampleBatch } from '../samples/batch.ts';
import { encodeFrame } from './frame-writer.ts';
import { rowsOf } from './testing/rows.ts';
import { readFrame } from './testing/seal.ts';

/** The example of docs/frame-format.md: a released layout is never edited, it gets a new version. */
const EXAMPLE = `
  4d5746 01 ab4ef607 6200 4400
  01 02 15 80a0d5edee66 e88401
  06 01 01 02
  12 00 e88401 08
  0d 0a
  02 00 e807  400002  0018
  00 400201
  02 05000002 02000004
  400002 400002 0000 0002
  01 08 6f70656e
  00 e807 400002 0000
  01 08 02 ae03 0000a8aa0a
  0000
  000e 0004`.replace(/\s/g, '');

function exampleBatch(): SampleBatch {
  const start = Date.UTC(2026, 0, 1);
  const batch = new SampleBatch(21);
  for (let second = 0; second < 18; second++) {
    const ms = start + 1000 * second;
    batch.pushNumber(3 as PointNo, ms, ms, second < 9 ? 21.5 : 21.7);
  }
  batch.pushText(1 as PointNo, start, start + 12, 'open');
  batch.pushInt(2 as PointNo, start, start + 12, 7n);
  batch.pushInt(2 as PointNo, start + 1000, start + 1012, 9n);
  return batch;
}

describe('the documented frame', () => {
  it('is what the writer writes', () => {
    const bytes = encodeFrame(exampleBatch(), { epoch: 1, seq: 2 });
    expect(Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')).toBe(EXAMPLE);
  });

  it('is what the reader reads', () => {
    expect(
      rowsOf([readFrame(Uint8Array.from(EXAMPLE.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)))]),
    ).toEqual(rowsOf([exampleBatch()]));
  });
});
