import type { PointNo } from '../ids.ts';

/** First bytes of every frame; everything in it is covered by the CRC. */
export interface FrameHeader {
  /** Layout version. */
  readonly version: number;
  /** Journal life the frame belongs to; 0 for live frames. */
  readonly epoch: number;
  readonly seq: number;
  readonly sampleCount: number;
  /** Smallest and largest source time, epoch ms. */
  readonly firstMs: number;
  readonly lastMs: number;
}

/** One line of a frame's directory. */
export interface FramePoint {
  readonly point: PointNo;
  readonly sampleCount: number;
  readonly firstMs: number;
  readonly lastMs: number;
}
