import { bad, GOOD, Location, PointNo, SampleBatch, type Value } from '@millwright/protocol';
import type { RuleSpec, RuleTest } from '@millwright/protocol/automation';
import { describeAction, type Firing } from './firing.ts';
import { replay } from './replay/replay.ts';

const NO_VALUE = bad('disconnected');
const UTC: Location = Location.parse({});

export interface RuleTestResult {
  readonly name: string;
  /** What is not as expected, one line each; empty: passed. */
  readonly faults: readonly string[];
}

/** Runs the examples of a rule on a simulated clock. */
export async function runRuleTests(
  rule: RuleSpec,
  tests: readonly RuleTest[],
  options: { readonly location?: Location } = {},
): Promise<RuleTestResult[]> {
  const results: RuleTestResult[] = [];
  for (const test of tests) {
    const location = test.location ?? options.location ?? UTC;
    results.push({ name: test.name, faults: await runRuleTest(rule, test, location) });
  }
  return results;
}

async function runRuleTest(rule: RuleSpec, test: RuleTest, location: Location): Promise<string[]> {
  const batch = samplesOf(rule, test);
  const lastMs = batch.length === 0 ? test.start : (batch.tGatewayMs[batch.length - 1] as number);
  const firings: Firing[] = [];
  const numbers = Object.keys(rule.inputs).map((_, at) => [PointNo.parse(at)]);
  const { error } = await replay(
    { ...rule, enabled: true },
    { numbers, batches: () => [batch] },
    {
      location,
      fromMs: test.start,
      toMs: Math.max(lastMs, test.start + (test.until ?? 0)),
      onFiring: (firing) => firings.push(firing),
    },
  );
  return [...(error === undefined ? [] : [error]), ...compare(test, firings)];
}

function samplesOf(rule: RuleSpec, test: RuleTest): SampleBatch {
  const names = Object.keys(rule.inputs);
  const rows = test.given.flatMap(({ at, set, repeat }) =>
    Array.from({ length: repeat?.times ?? 1 }, (_, time) => ({
      atMs: test.start + at + time * (repeat?.every ?? 0),
      set,
    })),
  );
  rows.sort((a, b) => a.atMs - b.atMs);
  const samples = rows.flatMap(({ atMs, set }) =>
    Object.entries(set).map(([name, value]) => ({ atMs, no: names.indexOf(name), value })),
  );
  const batch = new SampleBatch(Math.max(1, samples.length));
  for (const { atMs, no, value } of samples) push(batch, PointNo.parse(no), atMs, value);
  return batch;
}

function push(batch: SampleBatch, no: PointNo, atMs: number, value: Value): void {
  batch.push(no, atMs, atMs, value, value === null ? NO_VALUE : GOOD);
}

function compare(test: RuleTest, firings: readonly Firing[]): string[] {
  const faults: string[] = [];
  const count = Math.max(test.expect.length, firings.length);
  for (let at = 0; at < count; at++) {
    const wanted = test.expect[at];
    const found = firings[at];
    const atText = found === undefined ? '' : offset(found.atMs - test.start);
    if (wanted === undefined) faults.push(`fires at ${atText}, which is not expected`);
    else if (found === undefined) faults.push(`does not fire at ${offset(wanted.at)}`);
    else {
      if (Math.abs(found.atMs - test.start - wanted.at) > wanted.within)
        faults.push(`fires at ${atText} instead of ${offset(wanted.at)}`);
      faults.push(...compareActions(atText, wanted.does, found));
    }
  }
  return faults.slice(0, 20);
}

function compareActions(atText: string, does: readonly string[] | undefined, firing: Firing): string[] {
  if (does === undefined) return [];
  const found = firing.actions.map(describeAction);
  if (found.length === does.length && found.every((line, at) => line === does[at])) return [];
  return [`at ${atText} it does ${JSON.stringify(found)} instead of ${JSON.stringify(does)}`];
}

/** A time since the start as tests write it, with a part of a second where there is one. */
function offset(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const;
  const [unit, size] = units.find(([, each]) => ms >= each && ms % each === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}
