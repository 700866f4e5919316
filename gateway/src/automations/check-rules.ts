import { stat } from 'node:fs/promises';
import { type RuleTest, readRuleTests, type SourcedRule } from '@millwright/protocol/automation';
import { readText } from '../config.ts';
import { readRuleFiles } from './rule-files.ts';
import { placeOf, type Variables } from './rule-place.ts';
import { runRuleTests } from './rule-tests.ts';

/**
 * Checks rule files and runs their tests.
 * @throws InvalidInputError `CONFIG_INVALID` with one line per problem, when they cannot be read as rules
 */
export async function checkRules(
  files: readonly string[],
  flags: { readonly config?: string },
  variables: Variables,
): Promise<{ readonly isFine: boolean; readonly report: string }> {
  const place = await placeOf(flags, variables);
  const rules = await readRuleFiles(files, { variables, ...place });
  const beside = await testsBeside(rules, variables);
  const lines: string[] = [];
  let tests = 0;
  let failed = 0;
  for (const { spec } of rules) {
    const own = [...spec.tests, ...(beside.get(spec.id) ?? [])];
    const results = await runRuleTests(spec, own, place);
    const wrong = results.filter(({ faults }) => faults.length > 0);
    tests += results.length;
    failed += wrong.length;
    lines.push(`${spec.id}: ${summary(results.length, wrong.length)}`);
    for (const { name, faults } of wrong)
      lines.push(`  ✗ ${name}`, ...faults.map((fault) => `      ${fault}`));
  }
  const total = failed === 0 ? `${tests} tests passed` : `${failed} of ${tests} tests failed`;
  lines.push(`${rules.length} rules, ${total}`);
  return { isFine: failed === 0, report: lines.join('\n') };
}

function summary(tests: number, failed: number): string {
  if (tests === 0) return 'sound; it has no tests';
  return failed === 0 ? `${tests} tests passed` : `${failed} of ${tests} tests failed`;
}

/** Tests in `hot.test.yaml` beside `hot.yaml`, by rule. */
async function testsBeside(
  rules: readonly SourcedRule[],
  variables: Variables,
): Promise<ReadonlyMap<string, readonly RuleTest[]>> {
  const found = new Map<string, RuleTest[]>();
  const specs = rules.map(({ spec }) => spec);
  for (const file of new Set(rules.map((rule) => rule.file))) {
    const name = file.replace(/(\.ya?ml)$/, '.test$1');
    const isThere = await stat(name).then(
      () => true,
      () => false,
    );
    if (!isThere) continue;
    const source = { name, text: await readText(name, 'the tests of a rule') };
    for (const { rule, tests } of readRuleTests(source, specs, { variables }))
      found.set(rule, [...(found.get(rule) ?? []), ...tests]);
  }
  return found;
}
