import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SampleBatch } from '../samples/batch.ts';
import { MAX_FRAME_BYTES } from '../wire/v1/limits.ts';
import { decodeFrame } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { anyBatch } from './testing/batches.ts';
import { rowsOf } from './testing/rows.ts';

describe('a frame', () => {
  it('gives back every sample of every kind, bit for bit and in order per point', () => {
    fc.assert(
      fc.property(anyBatch, (batch) => {
        const frames = sealAll(batch);
        expect(rowsOf(frames)).toEqual(rowsOf([batch]));
      }),
      { numRuns: 400 },
    );
  });
});

function sealAll(batch: SampleBatch): SampleBatch[] {
  const writer = new FrameWriter();
  const out: SampleBatch[] = [];
  let at = 0;
  while (at < batch.length) {
    const taken = writer.append(batch, at);
    expect(taken).toBeGreaterThan(0);
    at += taken;
    const bound = writer.boundBytes;
    const bytes = writer.seal({ epoch: 7, seq: out.length });
    expect(bytes.length).toBeLessThanOrEqual(bound);
    expect(bytes.length).toBeLessThanOrEqual(MAX_FRAME_BYTES);
    const frame = decodeFrame(bytes);
    const into = new SampleBatch(frame.header.sampleCount);
    frame.readAll(into);
    out.push(into);
  }
  return out;
}
