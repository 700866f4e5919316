import { RuleEngine } from '@millwright/gateway/testing/rules';
import { type Clock, PointNo, SampleBatch } from '@millwright/protocol';
import { readRules } from '@millwright/protocol/automation';
import type { BenchResult } from './result.ts';

export const name = 'rules';

const RULES = 300;
const PEER = 'eKuiper: 150,000/s with 300 rules';
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 4000);
/** A sample a second for half an hour, so that a window of ten minutes is full. */
const FILL = 1800;

/** What 300 rules cost: each over two points of its own, every third with a window besides. */
export async function run(): Promise<BenchResult[]> {
  const plain = measure(false);
  const windowed = measure(true);
  return [
    {
      key: 'rules.evalsPerS',
      value: plain.perS,
      unit: 'evaluations/s',
      target: '≥ 150000',
      peer: PEER,
      note: `${RULES} rules, each looked at because one of its two points has changed`,
    },
    {
      key: 'rules.windowed.evalsPerS',
      value: windowed.perS,
      unit: 'evaluations/s',
      target: '≥ 150000',
      peer: PEER,
      note: 'the same, every third over the mean of ten minutes besides, of 600 samples',
    },
    {
      key: 'rules.kbPerRule',
      value: plain.kbPerRule,
      unit: 'KiB',
      note: 'heap and buffers of a rule with two inputs, compiled; ten kinds of machine, 30 rules each',
    },
    {
      key: 'rules.windowed.kbPerRule',
      value: windowed.kbPerRule,
      unit: 'KiB',
      note: 'the mean of all: every third rule keeps a window of 600 samples',
    },
  ];
}

/** Time that stands still until told: what is measured is the engine. */
class BenchClock implements Clock {
  nowMs = Date.UTC(2026, 0, 1);
  wallMs(): number {
    return this.nowMs;
  }
  monotonicMs(): number {
    return this.nowMs;
  }
  after(): () => void {
    return () => undefined;
  }
}

function measure(hasWindows: boolean): { readonly perS: number; readonly kbPerRule: number } {
  const specs = readRules([{ name: 'rules.yaml', text: rulesText(hasWindows) }]).map(({ spec }) => spec);
  const clock = new BenchClock();
  let firings = 0;
  const ignore = () => undefined;
  const listener = { fired: () => void firings++, ended: ignore, limited: ignore, changed: ignore };
  // Once for nothing: what is shared by all rules is not a rule's.
  new RuleEngine({ clock, listener, location: { zone: 'UTC' } }).apply(bound(specs.slice(0, 1)));
  const before = usedBytes();
  const engine = new RuleEngine({ clock, listener, location: { zone: 'UTC' } });
  engine.apply(bound(specs));
  engine.begin(engine.rules);
  const batch = new SampleBatch(RULES);
  const play = (rounds: number, from: number) => {
    for (let round = from; round < from + rounds; round++) {
      clock.nowMs += 1000;
      batch.clear();
      for (let rule = 0; rule < RULES; rule++) {
        const no = PointNo.parse(2 * rule);
        batch.pushNumber(no, clock.nowMs, clock.nowMs, 20 + ((7 * round + rule) % 100) / 10);
      }
      engine.accept(batch);
    }
  };
  for (let rule = 0; rule < RULES; rule++) {
    batch.pushNumber(PointNo.parse(2 * rule + 1), clock.nowMs, clock.nowMs, 5);
  }
  engine.accept(batch);
  play(FILL, 0);
  const kbPerRule = (usedBytes() - before) / 1024 / RULES;
  const evaluated = () => engine.rules.reduce((sum, { evaluations }) => sum + evaluations, 0);
  const startEvaluations = evaluated();
  const startMs = performance.now();
  play(ROUNDS, FILL);
  const seconds = (performance.now() - startMs) / 1000;
  return { perS: (evaluated() - startEvaluations) / seconds, kbPerRule };
}

/** Conditions that are looked at all the time and hold never; of ten kinds of machine, each with names of its own. */
function rulesText(hasWindows: boolean): string {
  return Array.from({ length: RULES }, (_, at) => {
    const kind = at % 10;
    const window =
      hasWindows && at % 3 === 0
        ? `, m${kind}: { point: machine-${at}/temperature, window: { sliding: 10m }, of: avg }`
        : '';
    return [
      `rule: rule-${at}`,
      `inputs: { t${kind}: machine-${at}/temperature, p${kind}: machine-${at}/power${window} }`,
      `when: p${kind} < ${at + 6} && t${kind} > 100${window === '' ? '' : ` || m${kind} > 100`}`,
      'for: 10s',
      'do: [{ review: { title: "machine" } }]',
      '',
    ].join('\n');
  }).join('---\n');
}

function bound(specs: ReturnType<typeof readRules>[number]['spec'][]): Parameters<RuleEngine['apply']>[0] {
  return specs.map((spec) => {
    const at = 2 * Number(spec.id.slice('rule-'.length));
    const first = [PointNo.parse(at)];
    return {
      spec,
      numbers: [first, [PointNo.parse(at + 1)], ...(Object.keys(spec.inputs).length > 2 ? [first] : [])],
    };
  });
}

function usedBytes(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
