export { type ActionSpec, type ActionType, filledIn, placeholdersOf } from './action.ts';
export { type PointRef, PointRefText, pointText } from './point-ref.ts';
export {
  compileAs,
  inputTypesOf,
  type ReadRulesOptions,
  readRules,
  readRuleTests,
  type SourcedRule,
  type Tell,
} from './read-rules.ts';
export { DEFAULT_FIRINGS_PER_MINUTE, type RuleInput, type RuleSpec } from './rule.ts';
export type { RuleTest, RuleTestFile } from './rule-test.ts';
export { type ScheduleSpec, SUN_TIMES, type SunTime } from './schedule.ts';
export {
  type AggregateSpec,
  DEFAULT_WINDOW_SAMPLES,
  MAX_WINDOW_SAMPLES,
  type WindowSpec,
} from './window.ts';
