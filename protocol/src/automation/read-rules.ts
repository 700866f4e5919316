import { checkValue } from '../device/explain.ts';
import { didYouMean, type KeyPath, Problems, pathText } from '../device/problems.ts';
import type { Variables } from '../device/variables.ts';
import { readYaml, type SourceFile, type YamlDocument } from '../device/yaml-source.ts';
import { Expression, ExpressionError, type ExpressionType, isExpressionName } from '../expression/index.ts';
import { placeholdersOf } from './action.ts';
import { type RuleSpec, RuleText } from './rule.ts';
import { RuleTestFile } from './rule-test.ts';

/** Reports a fault at a place of a rule. */
export type Tell = (path: KeyPath, what: string) => void;

export interface ReadRulesOptions {
  readonly variables?: Variables;
  /** What the schema cannot know, such as whether a point exists. */
  readonly check?: (rule: RuleSpec, tell: Tell) => void;
}

/** A rule and where it was written. */
export interface SourcedRule {
  readonly spec: RuleSpec;
  readonly file: string;
  readonly line: number;
}

/**
 * Reads rule files: one rule per YAML document, one or more documents per file.
 * @throws InvalidInputError `CONFIG_INVALID` with one line per problem: `file:line:column: path: what`
 */
export function readRules(files: readonly SourceFile[], options: ReadRulesOptions = {}): SourcedRule[] {
  const problems = new Problems();
  const rules: SourcedRule[] = [];
  const first = new Map<string, SourcedRule>();
  for (const file of files) {
    const before = problems.count;
    const documents = readYaml(file, options.variables ?? {}, problems);
    if (documents.length === 0 && problems.count === before)
      problems.add(file.name, { line: 1, column: 1 }, '', 'is empty');
    for (const document of documents) {
      const rule = readRule(document, problems, options);
      if (rule === undefined) continue;
      const known = first.get(rule.spec.id);
      if (known === undefined) first.set(rule.spec.id, rule);
      else {
        const what = `another rule is called "${rule.spec.id}" in ${known.file}:${known.line}`;
        problems.add(document.file, document.place(['rule']), 'rule', what);
      }
      rules.push(rule);
    }
  }
  problems.throwIfAny();
  return rules;
}

/**
 * Reads the tests that stand beside a rule file.
 * @throws InvalidInputError `CONFIG_INVALID`
 */
export function readRuleTests(
  file: SourceFile,
  rules: readonly RuleSpec[],
  options: Pick<ReadRulesOptions, 'variables'> = {},
): RuleTestFile[] {
  const problems = new Problems();
  const found: RuleTestFile[] = [];
  for (const document of readYaml(file, options.variables ?? {}, problems)) {
    const checked = checkValue(document, document.value, RuleTestFile, problems);
    if (!checked.ok) continue;
    const { rule: id, tests } = checked.value;
    const rule = rules.find((each) => each.id === id);
    const tell = tellerOf(document, problems);
    if (rule === undefined) {
      const ids = rules.map((each) => each.id);
      tell(['rule'], `there is no rule "${id}"${didYouMean(id, ids)}`);
    } else checkTests(tests, rule, tell);
    found.push(checked.value);
  }
  problems.throwIfAny();
  return found;
}

/** Types of a rule's inputs, in the order expressions find them. */
export function inputTypesOf(rule: Pick<RuleSpec, 'inputs'>): Record<string, ExpressionType> {
  return Object.fromEntries(Object.entries(rule.inputs).map(([name, { as }]) => [name, as]));
}

function readRule(
  document: YamlDocument,
  problems: Problems,
  options: ReadRulesOptions,
): SourcedRule | undefined {
  const checked = checkValue(document, document.value, RuleText, problems);
  if (!checked.ok) return undefined;
  const spec = checked.value;
  const tell = tellerOf(document, problems);
  checkTogether(spec, tell);
  options.check?.(spec, tell);
  return { spec, file: document.file, line: document.place(['rule']).line };
}

function tellerOf(document: YamlDocument, problems: Problems): Tell {
  return (path, what) => problems.add(document.file, document.place(path), pathText(path), what);
}

/** What concerns more than one field. */
function checkTogether(rule: RuleSpec, tell: Tell): void {
  const { when, schedule, forMs, everyMs, inputs, actions } = rule;
  const names = Object.keys(inputs);
  for (const name of names) {
    if (!isExpressionName(name)) tell(['inputs', name], 'cannot be used as a name in "when"; choose another');
  }
  if (when === undefined && schedule === undefined) tell([], 'needs a "when" or a "schedule"');
  if (schedule !== undefined && forMs > 0) tell(['for'], 'has no meaning with a schedule');
  if (schedule !== undefined && everyMs !== undefined) tell(['every'], 'has no meaning with a schedule');
  if (when !== undefined) checkExpression(rule, when, 'bool', ['when'], tell);
  for (const [at, action] of actions.entries()) {
    if (action.type === 'write' && typeof action.value === 'object') {
      checkExpression(rule, action.value.from, undefined, ['do', at, 'write', 'from'], tell);
    }
    if (action.type === 'alarm' && when === undefined) {
      tell(['do', at, 'alarm'], 'needs a "when" that says when it is over');
    }
    if (action.type === 'alarm' && action.point === undefined && names.length === 0) {
      tell(['do', at, 'alarm'], 'needs a "point", because the rule has no inputs');
    }
    for (const [field, text] of textsOf(action)) {
      for (const name of placeholdersOf(text)) {
        if (names.includes(name)) continue;
        tell(['do', at, action.type, field], `"{${name}}" is none of the inputs${didYouMean(name, names)}`);
      }
    }
  }
  checkTests(rule.tests, rule, tell);
}

/** The texts of an action in which inputs may stand. */
function textsOf(action: RuleSpec['actions'][number]): [field: string, text: string][] {
  if (action.type === 'alarm') return [['message', action.message]];
  if (action.type === 'publish') return action.payload === undefined ? [] : [['payload', action.payload]];
  if (action.type !== 'review') return [];
  return [
    ['title', action.title],
    ...(action.detail === undefined ? [] : [['detail', action.detail] as [string, string]]),
  ];
}

function checkExpression(
  rule: RuleSpec,
  text: string,
  result: ExpressionType | undefined,
  path: KeyPath,
  tell: Tell,
): void {
  try {
    compileAs(text, inputTypesOf(rule), result);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    const near = text.slice(error.offset, error.offset + 20).trim();
    tell(path, `${error.message}${near === '' || error.offset === 0 ? '' : ` (at "${near}")`}`);
  }
}

const RESULTS = ['number', 'bool', 'text'] as const;

/**
 * Compiles an expression that may yield any type when `result` is absent.
 * @throws ExpressionError
 */
export function compileAs(
  text: string,
  inputs: Readonly<Record<string, ExpressionType>>,
  result?: ExpressionType,
): Expression {
  if (result !== undefined) return Expression.compile(text, { inputs, result });
  let first: unknown;
  for (const each of RESULTS) {
    try {
      return Expression.compile(text, { inputs, result: each });
    } catch (error) {
      first ??= error;
    }
  }
  throw first;
}

function checkTests(tests: RuleSpec['tests'], rule: RuleSpec, tell: Tell): void {
  const names = Object.keys(rule.inputs);
  for (const [at, test] of tests.entries()) {
    for (const [step, { set }] of test.given.entries()) {
      for (const name of Object.keys(set)) {
        if (names.includes(name)) continue;
        tell(['tests', at, 'given', step, 'set', name], `is none of the inputs${didYouMean(name, names)}`);
      }
    }
  }
}
