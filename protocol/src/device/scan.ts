import { z } from 'zod';
import { DurationMs } from './duration.ts';
import { Percent } from './percent.ts';

const MAX_JITTER = 0.5;

/**
 * A named group of points that are read together: `1s`, or `{ every: 1s, phase: 200ms, jitter: 5% }`.
 *
 * For whoever schedules it: scans stand on a grid, the first one at start + `phase`, then one every `every`. `jitter` is
 * a fraction of `every`: each scan begins late by a random part of it, the grid stays. A scan that is still running when
 * the next falls due is finished, and the one it ran into is left out. Parsed: all in milliseconds, jitter a fraction.
 */
export const Scan = z.union([
  DurationMs.transform((everyMs) => ({ every: everyMs, phase: 0, jitter: 0 })),
  z.strictObject({
    every: DurationMs,
    /** How long after the others it begins: two scans of one line that need not collide. */
    phase: DurationMs.default(0),
    jitter: Percent.refine((part) => part <= MAX_JITTER, 'must be at most "50%"').default(0),
  }),
]);
export type Scan = z.infer<typeof Scan>;
