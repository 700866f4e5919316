import type { PointNo } from '../ids.ts';

/** Layout version this package writes; the only one it reads. */
export const FRAME_VERSION = 1;

/** Rows one frame may hold, so that a reader's memory is bounded however well the rows compress. */
export const MAX_FRAME_SAMPLES = 65_536;

/** Which frame it is: with the gateway's id the key that deduplicates it upstream. */
export interface FrameId {
  /** Journal life the frame belongs to; 0 for live frames. */
  readonly epoch: number;
  readonly seq: number;
}

/** First bytes of every frame; everything in it is covered by the CRC. */
export interface FrameHeader extends FrameId {
  /** Layout version. */
  readonly version: number;
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
