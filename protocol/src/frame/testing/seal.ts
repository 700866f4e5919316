import { SampleBatch } from '../../samples/batch.ts';
import { decodeFrame } from '../frame-reader.ts';
import { FrameWriter } from '../frame-writer.ts';

/** As many frames as the batch needs, the way a journal makes them. */
export function sealAll(batch: SampleBatch, writer = new FrameWriter()): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let row = 0; row < batch.length; ) {
    row += writer.append(batch, row);
    frames.push(writer.seal({ epoch: 7, seq: frames.length }));
  }
  return frames;
}

/** Everything a frame holds. */
export function readFrame(bytes: Uint8Array): SampleBatch {
  const frame = decodeFrame(bytes);
  const into = new SampleBatch(Math.max(1, frame.header.sampleCount));
  frame.readAll(into);
  return into;
}
