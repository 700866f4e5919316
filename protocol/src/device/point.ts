import { z } from 'zod';
import { DurationMs } from './duration.ts';
import { UnitCode } from './unit.ts';

/** Report by exception: a new value is passed on when it left the deadband or the heartbeat is due. */
export const Report = z.strictObject({
  /** Absolute, in the point's unit. A change smaller than or equal to it is not reported. */
  deadband: z.number().nonnegative().optional(),
  /** The last value is repeated after this long even when nothing changed. */
  heartbeat: DurationMs.optional(),
});

export const LimitAlarm = z.strictObject({
  at: z.number(),
  /** Returns to normal beyond this value; default `at`. Its side of `at` says whether the alarm is high or low. */
  off: z.number().optional(),
  /** `high` is raised above `at`, `low` below it; default from `off`, else `high`. */
  side: z.enum(['high', 'low']).optional(),
  delay: DurationMs.optional(),
  priority: z.enum(['low', 'medium', 'high', 'critical']).default('medium'),
});

/** A point is writable because it has this block. */
export const WriteRule = z.strictObject({
  range: z.tuple([z.number(), z.number()]).optional(),
  role: z.enum(['viewer', 'operator', 'engineer']).default('operator'),
  /** `high` is refused until approvals exist. */
  risk: z.enum(['low', 'medium', 'high']).default('medium'),
  confirm: z
    .strictObject({ readback: DurationMs.default(2000), tolerance: z.number().nonnegative().default(0) })
    .default({ readback: 2000, tolerance: 0 }),
});

/** What every point has, whatever its driver. */
export const pointShape = {
  label: z.string().max(200).optional(),
  unit: UnitCode.optional(),
  class: z.enum(['measurement', 'total', 'total_increasing', 'state', 'score']).optional(),
  report: Report.optional(),
  /** After this long without a new value the point turns uncertain (stale). */
  stale: DurationMs.optional(),
  alarms: z.record(z.string(), LimitAlarm).optional(),
  write: WriteRule.optional(),
} as const;
