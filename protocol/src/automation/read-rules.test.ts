import { describe, expect, it } from 'vitest';
import { readRules, readRuleTests } from './read-rules.ts';

const GOOD_RULE = `rule: hot
inputs: { t: { point: hall-th/temperature, window: { sliding: 10m }, of: p95 }, p: meter-7/power }
when: t > 30 && p > 1
for: 30s
do:
  - write: { point: fan-1/speed, value: 80 }
`;

function faultsOf(text: string): string[] {
  try {
    readRules([{ name: 'r.yaml', text }]);
    return [];
  } catch (error) {
    return String(error instanceof Error ? error.message : error).split('\n');
  }
}

const changed = (from: string | RegExp, to: string) => faultsOf(GOOD_RULE.replace(from, to));

describe('a rule file', () => {
  it('becomes rules with their defaults', () => {
    const [rule] = readRules([{ name: 'r.yaml', text: GOOD_RULE }]);
    expect(rule).toMatchObject({
      file: 'r.yaml',
      line: 1,
      spec: {
        id: 'hot',
        enabled: true,
        forMs: 30_000,
        cooldownMs: 0,
        firingsPerMinute: 60,
        inputs: {
          t: {
            ref: { device: 'hall-th', point: 'temperature' },
            window: { spec: { kind: 'sliding', spanMs: 600_000 }, of: { kind: 'percentile', percent: 95 } },
          },
          p: { ref: { device: 'meter-7', point: 'power' }, as: 'number' },
        },
        actions: [{ type: 'write', point: { device: 'fan-1', point: 'speed' }, value: 80 }],
      },
    });
  });

  it('may hold several, each with a name of its own', () => {
    const two = `${GOOD_RULE}---\n${GOOD_RULE.replace('hot', 'cold')}`;
    expect(readRules([{ name: 'r.yaml', text: two }]).map(({ spec, line }) => [spec.id, line])).toEqual([
      ['hot', 1],
      ['cold', 8],
    ]);
    expect(faultsOf(`${GOOD_RULE}---\n${GOOD_RULE}`)).toEqual([
      'r.yaml:8:7: rule: another rule is called "hot" in r.yaml:1',
    ]);
  });

  it.each<[what: string, from: string | RegExp, to: string, fault: string]>([
    ['an unknown key', 'for: 30s', 'fro: 30s', 'r.yaml:4:1: fro: unknown key; did you mean "for"?'],
    ['no point', 'meter-7/power', 'power', 'r.yaml:2:84: inputs.p: "power" is not a point'],
    ['an unknown input', 't > 30', 'tt > 30', 'r.yaml:3:7: when: does not know "tt"; did you mean "t"?'],
    ['text beside a number', 't > 30', 't > "x"', 'r.yaml:3:7: when: no such overload: double > string'],
    ['no condition', /when:.*\n/, '', 'r.yaml:1:1: needs a "when" or a "schedule"'],
    ['a window without "of"', ', of: p95', '', 'r.yaml:2:52: inputs.t.window: needs an "of", such as avg'],
    ['an unknown aggregate', 'p95', 'mean', 'r.yaml:2:74: inputs.t.of: "mean" is none of min, max'],
    ['two windows', 'sliding: 10m', 'sliding: 10m, count: 3', 'r.yaml:2:52: inputs.t.window: must be one of'],
    ['no action', /do:\n.*\n/, 'do: []\n', 'r.yaml:5:5: do: must have at least 1 entries'],
    ['two actions in one', '80 }', '80 }\n    review: { title: x }', 'r.yaml:6:5: do[0]: must be one of'],
    ['a value twice', 'value: 80', 'value: 80, from: t', 'r.yaml:6:12: do[0].write: needs either a "value"'],
    ['a bad schedule', 'for: 30s', 'schedule: {}', 'r.yaml:4:11: schedule: needs "cron" or "sun"'],
    [
      '"for" with a schedule',
      'for: 30s',
      'for: 30s\nschedule: { sun: dusk }',
      'r.yaml:4:6: for: has no meaning',
    ],
    [
      'an unknown zone',
      'for: 30s',
      'schedule: { cron: "* * * * *", zone: CET/X }',
      'must be an IANA time zone',
    ],
    ['a name CEL keeps', 'p: meter', 'in: meter', 'cannot be used as a name'],
    [
      'an unknown placeholder',
      /do:\n.*\n/,
      'do:\n  - alarm: { message: "{tt} is hot" }\n',
      'r.yaml:6:23: do[0].alarm.message: "{tt}" is none of the inputs; did you mean "t"?',
    ],
    [
      'an alarm by the clock alone',
      /when:.*\nfor: 30s\ndo:\n.*\n/,
      'schedule: { sun: dusk }\ndo:\n  - alarm: { message: "x" }\n',
      'r.yaml:5:12: do[0].alarm: needs a "when" that says when it is over',
    ],
    [
      'a wildcard topic',
      /do:\n.*\n/,
      'do:\n  - publish: { topic: "a/#" }\n',
      'r.yaml:6:23: do[0].publish.topic: must be a topic without "+", "#" and "$"',
    ],
    [
      'a test of another input',
      'do:',
      'tests: [{ name: x, given: [{ set: { q: 1 } }], expect: [] }]\ndo:',
      'r.yaml:5:40: tests[0].given[0].set.q: is none of the inputs',
    ],
  ])('with %s is refused, with the place', (_, from, to, fault) => {
    expect(changed(from, to).join('\n')).toContain(fault);
  });

  it('is checked by whoever knows more', () => {
    const check = () =>
      readRules([{ name: 'r.yaml', text: GOOD_RULE }], {
        check: (_, tell) => tell(['inputs', 'p'], 'there is no such point'),
      });
    expect(check).toThrow('r.yaml:2:84: inputs.p: there is no such point');
  });
});

describe('tests beside a rule file', () => {
  const rules = readRules([{ name: 'r.yaml', text: GOOD_RULE }]).map(({ spec }) => spec);

  it('belong to a rule of it', () => {
    const text =
      'rule: hot\ntests: [{ name: x, given: [{ at: 5s, set: { t: 31 } }], expect: [{ at: 35s }] }]';
    expect(readRuleTests({ name: 't.yaml', text }, rules)).toMatchObject([
      {
        rule: 'hot',
        tests: [{ given: [{ at: 5000, set: { t: 31 } }], expect: [{ at: 35_000, within: 0 }] }],
      },
    ]);
    expect(() => readRuleTests({ name: 't.yaml', text: text.replace('hot', 'hat') }, rules)).toThrow(
      't.yaml:1:7: rule: there is no rule "hat"; did you mean "hot"?',
    );
  });
});
