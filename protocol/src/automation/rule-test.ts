import { z } from 'zod';
import { DurationMs } from '../device/duration.ts';
import { Slug } from '../ids.ts';
import { Location } from '../location.ts';

const Value = z.union([z.number(), z.boolean(), z.string().max(500), z.null()]);
const Instant = z
  .string()
  .refine((text) => !Number.isNaN(Date.parse(text)), 'must be a time such as "2026-03-29T00:30:00Z"')
  .transform((text) => Date.parse(text));

/** An example of what a rule must do, run on a simulated clock. Times count from `start`. */
export const RuleTest = z.strictObject({
  name: z.string().min(1).max(200),
  start: Instant.default(Date.UTC(2026, 0, 1)),
  /** Instead of the gateway's. */
  location: Location.optional(),
  given: z
    .array(
      z.strictObject({
        at: DurationMs.default(0),
        /** Values by input; null: the value is bad. */
        set: z.record(z.string(), Value),
        repeat: z
          .strictObject({
            every: DurationMs.refine((ms) => ms > 0, 'must be more than 0'),
            times: z.int().min(1).max(10_000),
          })
          .optional(),
      }),
    )
    .max(500)
    .default([]),
  /** How long to look on; default: until the last value. */
  until: DurationMs.optional(),
  /** Every firing, in order. */
  expect: z
    .array(
      z.strictObject({
        at: DurationMs,
        /** How far off it may be: for the sun. */
        within: DurationMs.default(0),
        /** Every action, as `millwright rule test` prints it. */
        does: z.array(z.string().max(2000)).max(16).optional(),
      }),
    )
    .max(500),
});
export type RuleTest = z.infer<typeof RuleTest>;

/** `<rule>.test.yaml` beside a rule file. */
export const RuleTestFile = z.strictObject({ rule: Slug, tests: z.array(RuleTest).min(1).max(100) });
export type RuleTestFile = z.infer<typeof RuleTestFile>;
