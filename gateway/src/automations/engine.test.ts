import { bad, GOOD, Location, PointNo, qualityByte, SampleBatch, type Value } from '@millwright/protocol';
import { type RuleSpec, readRules } from '@millwright/protocol/automation';
import { MemoryClock } from '@millwright/protocol/testing';
import { describe, expect, it } from 'vitest';
import type { RuleState } from './active-rule.ts';
import { RuleEngine } from './engine.ts';
import { describeAction } from './firing.ts';

const START_MS = Date.UTC(2026, 0, 1);

function rule(text: string): RuleSpec {
  const [found] = readRules([{ name: 'rule.yaml', text }]);
  if (found === undefined) throw new Error('no rule');
  return found.spec;
}

/** Rules at work on a clock that stands still until told; input `n` of a rule has point number `n`. */
class Bench {
  readonly clock = new MemoryClock(START_MS);
  readonly log: string[] = [];
  readonly engine = new RuleEngine({
    clock: this.clock,
    location: Location.parse({}),
    listener: {
      fired: ({ rule: id, actions }) => this.#note(`${id}: ${actions.map(describeAction).join('; ')}`),
      ended: ({ spec }) => this.#note(`${spec.id} ended`),
      limited: ({ spec }) => this.#note(`${spec.id} limited`),
      changed: () => undefined,
    },
  });

  constructor(...rules: RuleSpec[]) {
    this.apply(...rules);
  }

  apply(...rules: RuleSpec[]): void {
    const numbers = (spec: RuleSpec) => Object.keys(spec.inputs).map((_, at) => [PointNo.parse(at)]);
    this.engine.begin(this.engine.apply(rules.map((spec) => ({ spec, numbers: numbers(spec) }))));
  }

  /** Rows of one batch: input, value, quality. */
  send(...rows: (readonly [input: number, value: Value, quality?: number])[]): void {
    const batch = new SampleBatch(rows.length);
    const nowMs = this.clock.wallMs();
    for (const [input, value, quality = GOOD] of rows)
      batch.push(PointNo.parse(input), nowMs, nowMs, value, quality);
    this.engine.accept(batch);
  }

  wait(ms: number): Promise<void> {
    return this.clock.advance(ms);
  }

  #note(text: string): void {
    this.log.push(`${(this.clock.monotonicMs() / 1000).toFixed(1)} ${text}`);
  }
}

const HOT = 'rule: hot\ninputs: { t: hall/t }\nwhen: t > 30\ndo: [{ review: { title: "{t} is hot" } }]\n';

describe('a rule', () => {
  it('fires when its condition begins to hold, and again only after it did not', () => {
    const bench = new Bench(rule(HOT));
    bench.send([0, 20]);
    bench.send([0, 31]);
    bench.send([0, 35]);
    bench.send([0, 20]);
    bench.send([0, 32]);
    expect(bench.log).toEqual(['0.0 hot: review: 31 is hot', '0.0 hot ended', '0.0 hot: review: 32 is hot']);
  });

  it('fires at once when its condition holds from the first value on', () => {
    const bench = new Bench(rule(HOT));
    bench.send([0, 31]);
    expect(bench.log).toEqual(['0.0 hot: review: 31 is hot']);
  });

  it('does not hold while its input is bad, and makes no statement about its end', () => {
    const bench = new Bench(rule(HOT));
    bench.send([0, 31]);
    bench.send([0, 31, bad('timeout')]);
    bench.send([0, null, bad('disconnected')]);
    expect(bench.log).toEqual(['0.0 hot: review: 31 is hot']);
    bench.send([0, 33]);
    bench.send([0, 20]);
    expect(bench.log.slice(1)).toEqual(['0.0 hot: review: 33 is hot', '0.0 hot ended']);
  });

  it('uses an uncertain value', () => {
    const bench = new Bench(rule(HOT));
    bench.send([0, 31, qualityByte('uncertain', 'stale')]);
    expect(bench.log).toHaveLength(1);
  });

  it('can ask for the quality and the age of an input', async () => {
    const bench = new Bench(
      rule(
        'rule: gone\ninputs: { t: hall/t }\nwhen: age.t > 10.0 || quality.t == "bad"\ndo: [{ review: { title: gone } }]\n',
      ),
    );
    bench.send([0, 20]);
    await bench.wait(12_000);
    bench.send([0, 20]);
    await bench.wait(2000);
    bench.send([0, null, bad('disconnected')]);
    expect(bench.log).toEqual([
      '0.0 gone: review: gone',
      '0.0 gone ended',
      '11.0 gone: review: gone',
      '13.0 gone ended',
      '14.0 gone: review: gone',
    ]);
  });

  it('sees every value of a point that comes more than once in a batch', () => {
    const bench = new Bench(rule(HOT));
    bench.send([0, 20], [0, 31], [0, 20]);
    expect(bench.log).toEqual(['0.0 hot: review: 31 is hot', '0.0 hot ended']);
  });

  it('sees what comes together as one', () => {
    const bench = new Bench(
      rule('rule: both\ninputs: { a: m/a, b: m/b }\nwhen: a != b\ndo: [{ review: { title: differ } }]\n'),
    );
    bench.send([0, 1], [1, 1]);
    bench.send([0, 2], [1, 2]);
    expect(bench.log).toEqual([]);
  });

  it('is looked at only when an input has changed', () => {
    const bench = new Bench(rule(HOT));
    for (let at = 0; at < 10; at++) bench.send([0, 20], [1, at], [7, at]);
    expect(bench.engine.rules[0]?.evaluations).toBe(2);
  });

  it.each<[kind: string, value: Value]>([
    ['int64', 31n],
    ['a negative int64', -31n],
    ['uint64', 2n ** 63n + 31n],
  ])('reads %s', (_, value) => {
    const bench = new Bench(rule(HOT.replace('t > 30', 't > 30 || t == -31')));
    bench.send([0, value]);
    expect(bench.log).toHaveLength(1);
  });

  it('reads switches and texts', () => {
    const bench = new Bench(
      rule(
        'rule: auto\ninputs: { on: { point: m/on, as: bool }, mode: { point: m/mode, as: text } }\nwhen: on && mode == "auto"\ndo: [{ write: { point: m/x, from: "mode" } }]\n',
      ),
    );
    bench.send([0, true], [1, 'hand']);
    bench.send([1, 'auto']);
    expect(bench.log).toEqual(['0.0 auto: write m/x = "auto"']);
  });
});

describe('a rule with "for"', () => {
  const text = `${HOT}for: 30s\n`;

  it('fires when its condition held that long', async () => {
    const bench = new Bench(rule(text));
    bench.send([0, 31]);
    await bench.wait(29_000);
    expect(bench.log).toEqual([]);
    await bench.wait(60_000);
    expect(bench.log).toEqual(['30.0 hot: review: 31 is hot']);
  });

  it.each<[what: string, value: Value, quality: number]>([
    ['does not hold in between', 20, GOOD],
    ['cannot be told in between', null, bad('timeout')],
  ])('begins anew when it %s', async (_, value, quality) => {
    const bench = new Bench(rule(text));
    bench.send([0, 31]);
    await bench.wait(20_000);
    bench.send([0, value, quality]);
    bench.send([0, 31]);
    await bench.wait(29_000);
    expect(bench.log).toEqual([]);
    await bench.wait(1000);
    expect(bench.log).toHaveLength(1);
  });

  it('does not mind that the wall clock is set', async () => {
    const bench = new Bench(rule(text));
    bench.send([0, 31]);
    await bench.wait(10_000);
    bench.clock.jumpWall(24 * 3600 * 1000);
    await bench.wait(19_000);
    expect(bench.log).toEqual([]);
    bench.clock.jumpWall(-48 * 3600 * 1000);
    await bench.wait(1000);
    expect(bench.log).toEqual(['30.0 hot: review: 31 is hot']);
  });
});

describe('a rule with "every" and "cooldown"', () => {
  it('fires again and again while it holds', async () => {
    const bench = new Bench(rule(`${HOT}every: 10s\n`));
    bench.send([0, 31]);
    await bench.wait(25_000);
    bench.send([0, 20]);
    await bench.wait(60_000);
    expect(bench.log.map((line) => line.split(' ')[0])).toEqual(['0.0', '10.0', '20.0', '25.0']);
  });

  it('makes up for what it held back when the cooldown is over and the condition still holds', async () => {
    const bench = new Bench(rule(`${HOT}cooldown: 60s\n`));
    bench.send([0, 31]);
    bench.send([0, 20]);
    await bench.wait(10_000);
    bench.send([0, 32]);
    bench.send([0, 20]);
    await bench.wait(10_000);
    bench.send([0, 33]);
    await bench.wait(100_000);
    expect(bench.log.filter((line) => line.includes('review'))).toEqual([
      '0.0 hot: review: 31 is hot',
      '60.0 hot: review: 33 is hot',
    ]);
  });

  it('is held at so many firings a minute, and says so once', async () => {
    const bench = new Bench(rule(`${HOT}limit: { perMinute: 3 }\n`));
    for (let at = 0; at < 50; at++) {
      bench.send([0, 31 + at]);
      bench.send([0, 20]);
    }
    expect(bench.log.filter((line) => line.includes('review'))).toHaveLength(3);
    expect(bench.log.filter((line) => line.includes('limited'))).toHaveLength(1);
    await bench.wait(60_000);
    bench.send([0, 40]);
    expect(bench.log.at(-1)).toBe('60.0 hot: review: 40 is hot');
  });
});

describe('a rule with a schedule', () => {
  const text =
    'rule: morning\ninputs: { t: hall/t }\nschedule: { cron: "0 7 * * *" }\ndo: [{ review: { title: "{t}" } }]\n';
  const HOUR_MS = 3600_000;

  it('fires when it is due and its condition holds', async () => {
    const bench = new Bench(rule(`${text}when: t > 10\n`));
    bench.send([0, 20]);
    await bench.wait(24 * HOUR_MS);
    bench.send([0, 5]);
    await bench.wait(24 * HOUR_MS);
    bench.send([0, null, bad('timeout')]);
    await bench.wait(24 * HOUR_MS);
    expect(bench.log).toEqual([`${7 * 3600}.0 morning: review: 20`, `${31 * 3600}.0 morning ended`]);
  });

  it('goes by the wall clock when that is set, and does not make up for what was hours ago', async () => {
    const bench = new Bench(rule(text));
    bench.clock.jumpWall(6.5 * HOUR_MS);
    await bench.wait(0.6 * HOUR_MS);
    expect(bench.log).toEqual(['1800.0 morning: review: unknown']);
    bench.clock.jumpWall(26 * HOUR_MS);
    await bench.wait(HOUR_MS);
    expect(bench.log).toHaveLength(1);
  });
});

describe('rules that are changed while they run', () => {
  it('go on undisturbed when they are the same', async () => {
    const bench = new Bench(rule(`${HOT}for: 30s\n`));
    bench.send([0, 31]);
    await bench.wait(20_000);
    bench.apply(rule(`${HOT}for: 30s\n`), rule(HOT.replaceAll('hot', 'other')));
    await bench.wait(10_000);
    expect(bench.log).toEqual(['30.0 hot: review: 31 is hot']);
  });

  it('leave no timer behind', async () => {
    const bench = new Bench(rule(`${HOT}for: 30s\n`));
    bench.send([0, 31]);
    bench.engine.stop();
    expect(bench.clock.pendingTimers).toBe(0);
  });
});

describe('a rule that goes on after a restart', () => {
  const state = (heldForMs: number, more: Partial<RuleState> = {}): RuleState => ({
    heldSinceMs: START_MS - heldForMs,
    hasFired: false,
    isStanding: false,
    lastFiredMs: Number.NEGATIVE_INFINITY,
    ...more,
  });
  const restored = (text: string, from: RuleState) => {
    const bench = new Bench(rule(text));
    bench.engine.rules[0]?.restore(from, START_MS);
    return bench;
  };

  it('counts how long its condition has held', async () => {
    const bench = restored(`${HOT}for: 30s\n`, state(20_000));
    bench.send([0, null, bad('not-yet-read')]);
    await bench.wait(5000);
    bench.send([0, 31]);
    await bench.wait(5000);
    expect(bench.log).toEqual(['10.0 hot: review: 31 is hot']);
  });

  it('does not fire twice for what holds on', async () => {
    const bench = restored(HOT, state(20_000, { hasFired: true, isStanding: true }));
    bench.send([0, 31]);
    await bench.wait(5000);
    bench.send([0, 20]);
    expect(bench.log).toEqual(['5.0 hot ended']);
  });

  it('goes on to rest', async () => {
    const bench = restored(`${HOT}cooldown: 60s\n`, state(Number.NaN, { lastFiredMs: START_MS - 50_000 }));
    bench.send([0, 31]);
    await bench.wait(30_000);
    expect(bench.log).toEqual(['10.0 hot: review: 31 is hot']);
  });

  it('does not wait for ever for inputs that do not come back', async () => {
    const bench = restored(`${HOT}for: 30s\n`, state(20_000));
    bench.send([0, null, bad('disconnected')]);
    await bench.wait(61_000);
    bench.send([0, 31]);
    await bench.wait(29_000);
    expect(bench.log).toEqual([]);
  });
});
