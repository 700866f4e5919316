import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Location } from '@millwright/protocol';
import { type RuleSpec, readRules, readRuleTests } from '@millwright/protocol/automation';
import { describe, expect, it } from 'vitest';
import { explainRule } from './explain-rule.ts';
import { runRuleTests } from './rule-tests.ts';
import { createSchedule } from './schedule.ts';

const docs = new URL('../../../docs/', import.meta.url);
const folder = new URL('examples/rules/', docs);
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
const read = (url: URL) => readFileSync(fileURLToPath(url), 'utf8');

async function faultsOf(spec: RuleSpec, tests = spec.tests): Promise<string[]> {
  const results = await runRuleTests(spec, tests);
  return results.flatMap(({ name, faults }) => faults.map((fault) => `${name}: ${fault}`));
}

describe('the rules that we show to others', () => {
  const rules = readRules(files.map((name) => ({ name, text: read(new URL(name, folder)) })));

  it.each(rules.map(({ spec }) => [spec.id, spec] as const))(
    '%s does what its tests say',
    async (_, spec) => {
      expect(spec.tests.length).toBeGreaterThan(0);
      expect(await faultsOf(spec)).toEqual([]);
    },
  );

  it('can be explained', () => {
    const [spec] = rules.map((each) => each.spec).filter(({ id }) => id === 'hall-ventilation');
    expect(spec && explainRule(spec, undefined, 0)).toEqual([
      'hall-ventilation: Ventilate the hall when it is warm',
      '  t is the mean of hall-th/temperature over the last 10 min.',
      '  p is press-1/power.',
      '  Fires when t > 26 && p > 5 has held for 30 s without a break.',
      '  While an input is bad, that cannot be said, and it does not fire.',
      '  Rests for 15 min after it has fired.',
      '  Fires at most 60 times a minute. Then:',
      '    1. writes 80 to fan-1/speed, with every check a command has',
    ]);
  });
});

describe('the guide', () => {
  const text = read(new URL('guides/automations.md', docs));
  const blocks = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block = '']) => block);
  const written = blocks.filter((block) => /^do:/m.test(block));
  const rules = readRules(written.map((block, at) => ({ name: `block ${at + 1}`, text: block }))).map(
    ({ spec }) => spec,
  );

  it('shows rules that are read and do what their tests say', async () => {
    expect(rules.map(({ id }) => id)).toEqual([
      'hall-too-warm',
      'pump-silent',
      'yard-light',
      'night-setback',
    ]);
    const location = Location.parse({ latitude: 52.52, longitude: 13.405 });
    for (const spec of rules) {
      expect(await faultsOf(spec)).toEqual([]);
      if (spec.schedule !== undefined)
        expect(createSchedule(spec.schedule, location).next(0)).toBeGreaterThan(0);
    }
  });

  it('shows tests that stand beside a rule', async () => {
    const beside = blocks.filter((block) => /^tests:/m.test(block) && !/^do:/m.test(block));
    expect(beside).toHaveLength(1);
    for (const block of beside) {
      for (const { rule, tests } of readRuleTests({ name: 'the guide', text: block }, rules)) {
        const spec = rules.find(({ id }) => id === rule);
        expect(spec && (await faultsOf(spec, tests))).toEqual([]);
      }
    }
  });
});
