import fc from 'fast-check';
import { expect, it } from 'vitest';
import { InvalidInputError } from '../errors.ts';
import { readRules } from './read-rules.ts';

const RULE = `rule: hot
inputs: { t: { point: hall-th/temperature, window: { sliding: 10m }, of: p95 }, p: meter-7/power }
when: t > 30 && p > 1
for: 30s
schedule: { cron: '0 7 * * *', zone: UTC }
do:
  - write: { point: fan-1/speed, from: 'min(t, 80)' }
  - alarm: { message: '{t}', priority: high }
tests:
  - { name: x, given: [{ at: 1s, set: { t: 1 } }], expect: [{ at: 1s }] }
`;
const WORDS = RULE.split(/(?<=[\s{}[\],:])/);

it('a rule file that was tampered with is read or refused, and nothing else', () => {
  const change = fc.record({
    at: fc.nat({ max: WORDS.length - 1 }),
    to: fc.oneof(
      fc.constantFrom('', '{', ']', '- ', '---\n', '&a ', '*a', '${X}', '1e999', 'null', '~', '"', "'"),
      fc.string(),
    ),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const words = [...WORDS];
      for (const { at, to } of changes) words[at] = to;
      expect(refusalOf(words.join(''))).toBe(true);
    }),
    { numRuns: 1500 },
  );
});

function refusalOf(text: string): boolean {
  try {
    readRules([{ name: 'r.yaml', text }]);
    return true;
  } catch (error) {
    return error instanceof InvalidInputError && error.message.startsWith('r.yaml:');
  }
}
