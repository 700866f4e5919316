import type { Location } from '@millwright/protocol';
import { type ActionSpec, pointText, type RuleInput, type RuleSpec } from '@millwright/protocol/automation';
import { readRuleFiles } from './rule-files.ts';
import { placeOf, type Variables } from './rule-place.ts';
import { createSchedule } from './schedule.ts';

const NEXT = 3;

/** @throws InvalidInputError `CONFIG_INVALID`, `FILE_MISSING` */
export async function explainFiles(
  files: readonly string[],
  flags: { readonly config?: string },
  variables: Variables,
): Promise<string> {
  const place = await placeOf(flags, variables);
  const rules = await readRuleFiles(files, { variables, ...place });
  return rules.map(({ spec }) => explainRule(spec, place.location, Date.now()).join('\n')).join('\n\n');
}

/** What a rule does, as sentences. */
export function explainRule(rule: RuleSpec, location: Location | undefined, nowMs: number): string[] {
  const { id, label, inputs, when, forMs, everyMs, cooldownMs, firingsPerMinute, actions } = rule;
  const lines = [`${id}${label === undefined ? '' : `: ${label}`}${rule.enabled ? '' : ' (disabled)'}`];
  for (const [name, input] of Object.entries(inputs)) lines.push(`  ${name} is ${inputText(input)}.`);
  const due = rule.schedule === undefined ? undefined : scheduleText(rule, location, nowMs);
  if (due !== undefined) lines.push(`  Looks ${due}.`);
  if (when !== undefined) {
    const held = forMs > 0 ? `has held for ${duration(forMs)} without a break` : 'begins to hold';
    lines.push(due === undefined ? `  Fires when ${when} ${held}.` : `  Fires then if ${when}.`);
    lines.push('  While an input is bad, that cannot be said, and it does not fire.');
  }
  if (everyMs !== undefined) lines.push(`  Fires again every ${duration(everyMs)} while it holds.`);
  if (cooldownMs > 0) lines.push(`  Rests for ${duration(cooldownMs)} after it has fired.`);
  lines.push(`  Fires at most ${firingsPerMinute} times a minute. Then:`);
  for (const [at, action] of actions.entries()) lines.push(`    ${at + 1}. ${actionText(rule, action)}`);
  return lines;
}

function inputText({ ref, window }: RuleInput): string {
  const point = pointText(ref);
  if (window === undefined) return point;
  const { spec, of } = window;
  const what = of.kind === 'percentile' ? `the ${of.percent}th percentile` : AGGREGATES[of.kind];
  switch (spec.kind) {
    case 'sliding':
      return `${what} of ${point} over the last ${duration(spec.spanMs)}`;
    case 'tumbling':
      return `${what} of ${point} over the last complete ${duration(spec.spanMs)}`;
    case 'session':
      return `${what} of ${point} over its last run without a pause of ${duration(spec.gapMs)}`;
    case 'count':
      return `${what} of the last ${spec.samples} samples of ${point}`;
  }
}

const AGGREGATES = {
  min: 'the smallest value',
  max: 'the largest value',
  avg: 'the mean',
  stddev: 'the standard deviation',
  rate: 'the change per second',
  sum: 'the sum',
  count: 'the number of samples',
  first: 'the first value',
  last: 'the last value',
} as const;

function scheduleText(
  { schedule }: RuleSpec,
  location: Location | undefined,
  nowMs: number,
): string | undefined {
  if (schedule === undefined) return undefined;
  if (schedule.kind === 'sun' && location?.latitude === undefined) {
    return `at ${schedule.at}${offset(schedule.offsetMs)}; --config says where the site is, and so when that is`;
  }
  const found: string[] = [];
  const due = createSchedule(schedule, location ?? { zone: 'UTC' });
  for (let at = due.next(nowMs); at !== undefined && found.length < NEXT; at = due.next(at))
    found.push(new Date(at).toISOString().slice(0, 19));
  const what =
    schedule.kind === 'cron'
      ? `by cron "${schedule.cron}" in ${schedule.zone ?? location?.zone ?? 'UTC'}`
      : `at ${schedule.at}${offset(schedule.offsetMs)}`;
  return `${what}, next at ${found.map((each) => `${each}Z`).join(', ') || 'no time at all'}`;
}

function actionText(rule: RuleSpec, action: ActionSpec): string {
  switch (action.type) {
    case 'write': {
      const value = typeof action.value === 'object' ? action.value.from : JSON.stringify(action.value);
      return `writes ${value} to ${pointText(action.point)}, with every check a command has`;
    }
    case 'alarm': {
      const [first] = Object.values(rule.inputs);
      const point = action.point ?? first?.ref;
      return `raises a ${action.priority} alarm on ${point === undefined ? '?' : pointText(point)} until it no longer holds: ${action.message}`;
    }
    case 'publish':
      return `publishes ${action.payload ?? 'its inputs as JSON'} on ${action.topic}${action.retain ? ', retained' : ''}`;
    case 'review':
      return `asks a person: ${action.title}`;
  }
}

function offset(ms: number): string {
  if (ms === 0) return '';
  return ms < 0 ? ` less ${duration(-ms)}` : ` plus ${duration(ms)}`;
}

function duration(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1000],
  ] as const;
  const [unit, size] = units.find(([, each]) => ms >= each && ms % each === 0) ?? ['ms', 1];
  return `${ms / size} ${unit}`;
}
