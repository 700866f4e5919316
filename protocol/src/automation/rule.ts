import { z } from 'zod';
import { DurationMs } from '../device/duration.ts';
import { Slug } from '../ids.ts';
import { type ActionSpec, ActionText } from './action.ts';
import { type PointRef, PointRefText } from './point-ref.ts';
import { RuleTest } from './rule-test.ts';
import { type ScheduleSpec, ScheduleText } from './schedule.ts';
import { type AggregateSpec, AggregateText, type WindowSpec, WindowText } from './window.ts';

const MAX_INPUTS = 32;
const MAX_ACTIONS = 16;
/** A rule that fires oftener than this does not act any more until it has become quieter. */
export const DEFAULT_FIRINGS_PER_MINUTE = 60;

/** A point that a rule reads, as it is or through a window. */
export interface RuleInput {
  readonly ref: PointRef;
  readonly as: 'number' | 'bool' | 'text';
  readonly window: { readonly spec: WindowSpec; readonly of: AggregateSpec } | undefined;
}

const InputText = z.union([
  PointRefText.transform((ref): RuleInput => ({ ref, as: 'number', window: undefined })),
  z
    .strictObject({
      point: PointRefText,
      /** What the point's value is. */
      as: z.enum(['number', 'bool', 'text']).default('number'),
      window: WindowText.optional(),
      of: AggregateText.optional(),
    })
    .transform(({ point: ref, as, window, of }, context): RuleInput => {
      const tell = (message: string, path: string) => {
        context.addIssue({ code: 'custom', message, path: [path] });
        return z.NEVER;
      };
      if (window === undefined && of !== undefined) return tell('needs a "window"', 'of');
      if (window === undefined || of === undefined)
        return window === undefined
          ? { ref, as, window: undefined }
          : tell('needs an "of", such as avg', 'window');
      if (as === 'text') return tell('a window is over numbers', 'as');
      return { ref, as: 'number', window: { spec: window, of } };
    }),
]);

/** A rule as it stands in its file: one YAML document. */
export const RuleText = z
  .strictObject({
    rule: Slug,
    label: z.string().max(200).optional(),
    enabled: z.boolean().default(true),
    inputs: z
      .record(z.string().max(64), InputText)
      .refine((inputs) => Object.keys(inputs).length <= MAX_INPUTS, `must have at most ${MAX_INPUTS} inputs`)
      .default({}),
    /** A condition over the inputs. */
    when: z.string().min(1).max(2000).optional(),
    /** How long it must hold without a break. */
    for: DurationMs.optional(),
    /** Fires again and again while it holds. */
    every: DurationMs.refine((ms) => ms >= 1000, 'must be at least 1s').optional(),
    /** At least this long from one firing to the next. */
    cooldown: DurationMs.optional(),
    limit: z
      .strictObject({ perMinute: z.int().min(1).max(600) })
      .default({ perMinute: DEFAULT_FIRINGS_PER_MINUTE }),
    schedule: ScheduleText.optional(),
    do: z.array(ActionText).min(1).max(MAX_ACTIONS),
    tests: z.array(RuleTest).max(100).default([]),
  })
  .transform(
    (rule): RuleSpec => ({
      id: rule.rule,
      label: rule.label,
      enabled: rule.enabled,
      inputs: rule.inputs,
      when: rule.when,
      forMs: rule.for ?? 0,
      everyMs: rule.every,
      cooldownMs: rule.cooldown ?? 0,
      firingsPerMinute: rule.limit.perMinute,
      schedule: rule.schedule,
      actions: rule.do,
      tests: rule.tests,
    }),
  );

/** A rule ready to be compiled: defaults applied, every field checked. */
export interface RuleSpec {
  readonly id: string;
  readonly label: string | undefined;
  readonly enabled: boolean;
  readonly inputs: Readonly<Record<string, RuleInput>>;
  readonly when: string | undefined;
  readonly forMs: number;
  readonly everyMs: number | undefined;
  readonly cooldownMs: number;
  readonly firingsPerMinute: number;
  readonly schedule: ScheduleSpec | undefined;
  readonly actions: readonly ActionSpec[];
  readonly tests: readonly RuleTest[];
}
