import { z } from 'zod';
import { DurationMs } from './duration.ts';

/** A CEL expression; names and types are checked where the points are known. */
export const ExpressionText = z.string().min(1).max(2000);

/** Points of other devices by the name an expression calls them: `{ speed: pump-2/speed }`. */
export const ExpressionPoints = z.record(
  z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be a name of letters, digits and "_"'),
  z.string().regex(/^[^/\s]+\/[^/\s]+$/, 'must be written device/point'),
);
export type ExpressionPoints = z.infer<typeof ExpressionPoints>;

const AlarmQuality = z.enum(['bad', 'uncertain', 'stale']);
const AlarmValue = z.union([z.boolean(), z.number(), z.string().max(200)]);

/**
 * When a point is in alarm: exactly one of `at` (limit), `is` (state), `change` (rate of change), `quality` and
 * `when` (expression), and what every alarm has.
 */
export const AlarmRule = z.strictObject({
  /** Limit: raised beyond it. */
  at: z.number().optional(),
  /** Returns to normal beyond this value; default `at`. Its side of `at` says whether the alarm is high or low. */
  off: z.number().optional(),
  /** `high` is raised above `at`, `low` below it; default from `off`, else `high`. Of `change`: only rising, only falling. */
  side: z.enum(['high', 'low']).optional(),
  /** State: raised while the value is this, or one of these. */
  is: z.union([AlarmValue, z.array(AlarmValue).min(1).max(20)]).optional(),
  /** Rate of change: raised when the value changed by more than this `within` that time. */
  change: z.number().positive().optional(),
  within: DurationMs.optional(),
  /** Raised while the point's quality is one of these. */
  quality: z.union([AlarmQuality, z.array(AlarmQuality).min(1)]).optional(),
  /** Expression: raised while it holds. */
  when: ExpressionText.optional(),
  /** Points of other devices that `when` and `suppress` name. */
  inputs: ExpressionPoints.optional(),
  /** Raised only when it lasts this long. */
  delay: DurationMs.optional(),
  /** Cleared only when it was over for this long. */
  offDelay: DurationMs.optional(),
  priority: z.enum(['low', 'medium', 'high', 'critical']).default('medium'),
  /** Of alarms in one group, the first to come is marked. A group belongs to its device, unless it begins with "/". */
  group: z.string().min(1).max(64).optional(),
  /** Suppressed by design while this holds. */
  suppress: ExpressionText.optional(),
  /** Whether it stays listed after it is over until somebody has acknowledged it. */
  acknowledge: z.boolean().default(true),
  /** Said instead of the sentence that is made from the rule. */
  message: z.string().min(1).max(500).optional(),
});
export type AlarmRule = z.infer<typeof AlarmRule>;

export const ALARM_KINDS = ['limit', 'state', 'rate', 'quality', 'expression'] as const;
export type AlarmKind = (typeof ALARM_KINDS)[number];

const KEY_OF = {
  limit: 'at',
  state: 'is',
  rate: 'change',
  quality: 'quality',
  expression: 'when',
} as const satisfies Record<AlarmKind, keyof AlarmRule>;

/** Which kind of alarm a rule describes; the first, when it wrongly describes several. */
export function alarmKindOf(rule: AlarmRule): AlarmKind | undefined {
  return ALARM_KINDS.find((kind) => rule[KEY_OF[kind]] !== undefined);
}

/** What is wrong with a rule beyond its schema: the field and what to do. */
export function alarmProblems(rule: AlarmRule): (readonly [field: keyof AlarmRule, what: string])[] {
  const problems: (readonly [keyof AlarmRule, string])[] = [];
  const kinds = ALARM_KINDS.filter((kind) => rule[KEY_OF[kind]] !== undefined);
  const keys = ALARM_KINDS.map((kind) => `"${KEY_OF[kind]}"`).join(', ');
  const [kind] = kinds;
  if (kind === undefined) return [['at', `is missing: an alarm needs one of ${keys}`]];
  const second = kinds[1];
  if (second !== undefined) problems.push([KEY_OF[second], `an alarm has only one of ${keys}`]);
  if (rule.change !== undefined && rule.within === undefined)
    problems.push(['change', 'needs "within", the time in which the value changes by this much']);
  if (rule.within !== undefined && rule.change === undefined)
    problems.push(['within', 'is only for "change"']);
  if (rule.off !== undefined && kind !== 'limit' && kind !== 'rate')
    problems.push(['off', 'is only for "at" and "change"']);
  if (rule.side !== undefined && kind !== 'limit' && kind !== 'rate')
    problems.push(['side', 'is only for "at" and "change"']);
  const { at, off, side, change } = rule;
  if (kind === 'limit' && at !== undefined && off !== undefined && side !== undefined && off !== at) {
    if (side === 'high' ? off > at : off < at)
      problems.push([
        'off',
        `must be ${side === 'high' ? 'at most' : 'at least'} "at" (${at}) for a ${side} alarm; got ${off}`,
      ]);
  }
  if (kind === 'rate' && change !== undefined && off !== undefined && (off < 0 || off > change))
    problems.push(['off', `must be from 0 to "change" (${change}); got ${off}`]);
  return problems;
}
