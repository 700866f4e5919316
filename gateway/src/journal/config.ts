import { z } from 'zod';

/** How the journal trades disk, memory and delay. Sizes in bytes, times in ms. */
export const JournalConfig = z.strictObject({
  /** Bound of all entries on disk; the database adds about a tenth. */
  maxBytes: z
    .int()
    .min(1024 * 1024)
    .default(1024 ** 3),
  /** Samples are on disk at most this long after they were appended. */
  durableWithinMs: z.number().min(10).max(60_000).default(1000),
  /** A frame is sealed at most this long after its first sample. */
  frameAgeMs: z.number().min(100).max(3_600_000).default(60_000),
  /** Bound of what waits in memory while the disk cannot be written. */
  maxPendingBytes: z
    .int()
    .min(1024 * 1024)
    .default(16 * 1024 * 1024),
  /** An event reaches readers at most this long after it was appended … */
  eventVisibleWithinMs: z.number().min(0).default(1000),
  /** … unless another did so less than this long ago: then together with those that follow. */
  eventSealEveryMs: z.number().min(0).default(5000),
  /** How often "still alive" is written while nothing else is. */
  aliveEveryMs: z.number().min(100).default(30_000),
});
export type JournalConfig = z.infer<typeof JournalConfig>;
