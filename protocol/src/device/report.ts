import { z } from 'zod';
import { DurationMs } from './duration.ts';
import { Percent } from './percent.ts';

/** A part of something: kept apart from a number until it is known of what. */
const Part = Percent.transform((fraction) => ({ fraction }));
const Range = z
  .tuple([z.number(), z.number()])
  .refine(([low, high]) => low < high, 'the lower end comes first');

/**
 * Report by exception: which values of a point are passed on. Parsed: `deadband` and `swing` in the point's unit, and
 * `relativeDeadband` as a fraction.
 */
export const Report = z
  .strictObject({
    /**
     * A change smaller than or equal to it is not reported. In the point's unit, or in percent: of `range` where there is
     * one, else of the value reported last.
     */
    deadband: z.union([z.number().nonnegative(), Part]).optional(),
    /**
     * Swinging door: only the samples are reported between which a straight line stays this close to all others, in the
     * point's unit or in percent of `range`. A value is known to be needed only when a later one came: it is reported then,
     * with the time it had. Add a `heartbeat` to bound the wait.
     */
    swing: z.union([z.number().positive(), Part]).optional(),
    /** What percentages are of: the values the point can have, lowest and highest. */
    range: Range.optional(),
    /** The last value is repeated after this long even when nothing changed. */
    heartbeat: DurationMs.optional(),
  })
  .transform(({ deadband, swing, range, heartbeat }, context) => {
    const span = range === undefined ? undefined : range[1] - range[0];
    const tell = (message: string) =>
      context.addIssue({ code: 'custom', path: ['swing'], message, input: {} });
    if (deadband !== undefined && swing !== undefined)
      tell('is given next to "deadband"; a point is reported by one of the two');
    if (typeof swing === 'object' && span === undefined) tell('needs a "range" to be a percentage of');
    const isRelative = typeof deadband === 'object' && span === undefined;
    return {
      ...(deadband === undefined || isRelative ? {} : { deadband: absolute(deadband, span) }),
      ...(isRelative ? { relativeDeadband: deadband.fraction } : {}),
      ...(swing === undefined ? {} : { swing: absolute(swing, span) }),
      ...(heartbeat === undefined ? {} : { heartbeat }),
    };
  });
export type Report = z.infer<typeof Report>;

function absolute(amount: number | { readonly fraction: number }, span = 0): number {
  return typeof amount === 'number' ? amount : amount.fraction * span;
}
