import { z } from 'zod';
import { AlarmRule, ExpressionPoints, ExpressionText } from './alarm.ts';
import { DurationMs } from './duration.ts';
import { Report } from './report.ts';
import { DisplayUnit, UnitCode } from './unit.ts';

/** A point is writable because it has this block. */
export const WriteRule = z.strictObject({
  range: z.tuple([z.number(), z.number()]).optional(),
  role: z.enum(['viewer', 'operator', 'engineer']).default('operator'),
  /** `high` is refused until approvals exist. */
  risk: z.enum(['low', 'medium', 'high']).default('medium'),
  /** Written only while this holds, over points of the same device; a point that is not good says no. */
  interlock: ExpressionText.optional(),
  /** Points of other devices that `interlock` names. */
  inputs: ExpressionPoints.optional(),
  /** At most one write every so long, after `burst` at once. */
  rate: z.strictObject({ every: DurationMs, burst: z.int().min(1).max(1000).default(1) }).optional(),
  confirm: z
    .strictObject({ readback: DurationMs.default(2000), tolerance: z.number().nonnegative().default(0) })
    .default({ readback: 2000, tolerance: 0 }),
});

/** Labels of the values that have one: `{ 0: off, 1: running }`, of a bool `{ false: closed, true: open }`. */
export const EnumLabels = z.record(
  z.string().regex(/^(-?\d{1,15}|true|false)$/, 'must be a whole number, true or false'),
  z.string().min(1).max(100),
);
export type EnumLabels = z.infer<typeof EnumLabels>;

/** What a type or a device can say once for all its points. */
export const pointDefaults = {
  report: Report.optional(),
  stale: DurationMs.optional(),
} as const;
/** The `defaults` of a driver that has no further ones. */
export const PointDefaults = z.strictObject(pointDefaults);
export type PointDefaults = z.infer<typeof PointDefaults>;

/** What describes a point, wherever its value comes from. */
export const describedShape = {
  label: z.string().max(200).optional(),
  unit: UnitCode.optional(),
  /** The unit people see it in; the value is kept in `unit`. */
  display: DisplayUnit.optional(),
  enum: EnumLabels.optional(),
  class: z.enum(['measurement', 'total', 'total_increasing', 'state', 'score']).optional(),
  report: Report.optional(),
  /** After this long without a new value the point turns uncertain (stale). */
  stale: DurationMs.optional(),
  alarms: z.record(z.string().min(1).max(200), AlarmRule).optional(),
} as const;

/** What every point of a device has, whatever its driver. */
export const pointShape = { ...describedShape, write: WriteRule.optional() } as const;

/**
 * A point that no device knows: worked out of others whenever one of them changes. As good as the worst input its
 * result rests on.
 */
export const ComputedPoint = z.strictObject({
  ...describedShape,
  compute: ExpressionText,
  /** Points of other devices by the name the expression calls them; points of its own device it calls as they are. */
  inputs: ExpressionPoints.optional(),
  as: z.enum(['float64', 'bool', 'text']).default('float64'),
});
export type ComputedPoint = z.infer<typeof ComputedPoint>;
