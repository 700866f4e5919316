import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readRules } from '@millwright/protocol/automation';
import { describe, expect, it } from 'vitest';
import { runRuleTests } from './rule-tests.ts';

const folder = new URL('../../../docs/examples/rules/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

describe('the rules that we show to others', () => {
  const rules = readRules(
    files.map((name) => ({ name, text: readFileSync(fileURLToPath(new URL(name, folder)), 'utf8') })),
  );

  it.each(rules.map(({ spec }) => [spec.id, spec] as const))(
    '%s does what its tests say',
    async (_, spec) => {
      expect(spec.tests.length).toBeGreaterThan(0);
      for (const { name, faults } of await runRuleTests(spec, spec.tests)) expect(faults, name).toEqual([]);
    },
  );
});
