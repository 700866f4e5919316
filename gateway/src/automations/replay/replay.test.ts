import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bad, DeviceSlug, GOOD, PointId, PointNo, SampleBatch } from '@millwright/protocol';
import { type RuleSpec, readRules } from '@millwright/protocol/automation';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JournalConfig } from '../../journal/config.ts';
import { DenoKvFile } from '../../journal/kv/deno-kv.ts';
import { KvJournal } from '../../journal/kv-journal.ts';
import { Catalog } from '../../points/catalog.ts';
import { stateFiles } from '../../state-files.ts';
import { checkRules } from '../check-rules.ts';
import { RuleEngine } from '../engine.ts';
import { describeAction, type Firing } from '../firing.ts';
import { type TryFlags, tryRule } from '../try-rule.ts';
import { openJournalHistory } from './journal-history.ts';
import { replay } from './replay.ts';

const START_MS = Date.UTC(2026, 0, 1);
const SECOND = 1000;
const RULE = `rule: flow-loss
inputs:
  flow: { point: pump/flow, window: { sliding: 5s }, of: avg }
  on: { point: pump/on, as: bool }
when: on && flow < 20
for: 3s
every: 10s
do: [{ review: { title: 'flow is {flow}' } }]
`;
const UTC = { zone: 'UTC' };
const skab = fileURLToPath(new URL('../../../../../shared/data/skab/valve1/1.csv', import.meta.url));

function rule(text = RULE): RuleSpec {
  const [found] = readRules([{ name: 'rule.yaml', text }]);
  if (found === undefined) throw new Error('no rule');
  return found.spec;
}

const lineOf = ({ atMs, actions }: Firing) =>
  `${(atMs - START_MS) / SECOND} ${actions.map(describeAction).join()}`;

/** A pump that loses its flow now and then, once a second; a broken sensor in between. */
function* pump(): Generator<readonly [atMs: number, flow: number | null, on: boolean]> {
  for (let at = 0; at < 600; at++) {
    const flow = at % 120 > 90 ? 10 + (at % 3) : 30 + (at % 5);
    yield [START_MS + at * SECOND, at > 300 && at < 330 ? null : flow, at < 500];
  }
}

describe('a rule over recorded samples', () => {
  let folder: string;
  let server: Server | undefined;
  let file: string;
  let printed: string[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-replay-'));
    file = join(folder, 'rule.yaml');
    writeFileSync(file, RULE);
    printed = [];
  });
  afterEach(async () => {
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
    server = undefined;
    rmSync(folder, { recursive: true, force: true });
  });

  const attempt = (flags: TryFlags) => tryRule(file, flags, {}, (line) => printed.push(line));

  /** What the rule does on a gateway while the samples come. */
  async function live(): Promise<string[]> {
    const clock = new MemoryClock(START_MS);
    const firings: string[] = [];
    const ignore = () => undefined;
    const listener = {
      fired: (firing: Firing) => firings.push(lineOf(firing)),
      ended: ignore,
      limited: ignore,
      changed: ignore,
    };
    const engine = new RuleEngine({ clock, location: UTC, listener });
    const numbers = [[PointNo.parse(0)], [PointNo.parse(1)]];
    engine.begin(engine.apply([{ spec: rule(), numbers }]));
    for (const batch of batches()) {
      await clock.advance((batch.tGatewayMs[0] as number) - clock.wallMs());
      engine.accept(batch);
    }
    engine.stop();
    return firings;
  }

  function* batches(flowNo = 0, onNo = 1): Generator<SampleBatch> {
    for (const [atMs, flow, on] of pump()) {
      const batch = new SampleBatch(2);
      batch.push(PointNo.parse(flowNo), atMs - 40, atMs, flow, flow === null ? bad('sensor-fault') : GOOD);
      batch.pushBool(PointNo.parse(onNo), atMs - 40, atMs, on);
      yield batch;
    }
  }

  async function record(): Promise<string> {
    const state = join(folder, 'state');
    const files = stateFiles(state);
    const copy = await new DenoKvFile(files.catalogCopy).open();
    const catalog = new Catalog({ logger: new MemoryLogger(), stores: [copy] });
    await catalog.load();
    const device = DeviceSlug.parse('pump');
    const [old, on, flow] = await catalog.numbers([
      { device, point: PointId.parse('flow'), kind: 'int64' },
      { device, point: PointId.parse('on'), kind: 'bool' },
      { device, point: PointId.parse('flow'), kind: 'float64', unit: 'L/min' },
    ]);
    await copy.close();
    const clock = new MemoryClock(START_MS);
    const journal = new KvJournal(
      { clock, logger: new MemoryLogger(), file: new DenoKvFile(files.journal) },
      JournalConfig.parse({}),
    );
    await journal.start();
    let row = 0;
    for (const batch of batches(flow, on)) {
      journal.append(batch);
      if (row++ % 100 === 0) await clock.advance(61_000);
    }
    expect(old).toBe(0);
    await journal.stop();
    return state;
  }

  it('fires as it did on the gateway, from the journal', async () => {
    const state = await record();
    const history = await openJournalHistory({ logger: new MemoryLogger() }, state, rule(), {});
    const firings: string[] = [];
    const result = await replay(rule(), history, {
      ...{ location: UTC, fromMs: history.firstMs, toMs: history.lastMs },
      onFiring: (firing) => firings.push(lineOf(firing)),
    });
    await history.close();
    expect(result.samples).toBe(1200);
    expect(firings).toEqual(await live());
    expect(firings.length).toBeGreaterThan(5);
  });

  it('is printed firing by firing, for the time that was asked for', async () => {
    const state = await record();
    await attempt({ state, from: '2026-01-01T00:01:00Z', to: '2026-01-01T00:02:30Z' });
    expect(printed).toEqual([
      '2026-01-01T00:01:36.000Z  flow = 11.25, on = true\n    review: flow is 11.25',
      '2026-01-01T00:01:46.000Z  flow = 10.75, on = true\n    review: flow is 10.75',
      '2026-01-01T00:01:56.000Z  flow = 11, on = true\n    review: flow is 11',
      'flow-loss would have fired 3 times in 182 samples from 2026-01-01T00:01:00.000Z to 2026-01-01T00:02:30.000Z.',
    ]);
  });

  it('reads a recording in CSV', async () => {
    const csv = join(folder, 'recording.csv');
    const rows = [...pump()].map(([atMs, flow, on]) =>
      [new Date(atMs).toISOString(), flow ?? 'broken', on].join(';'),
    );
    writeFileSync(csv, `time;Flow;pump/on\n${rows.join('\n')}\n`);
    await attempt({ csv });
    const summary = printed.pop();
    expect(printed.map((line) => line.slice(0, 24))).toEqual(
      (await live()).map((line) => new Date(START_MS + Number(line.split(' ')[0]) * SECOND).toISOString()),
    );
    expect(summary).toContain('in 1200 samples');
  });

  it.runIf(existsSync(skab))('reads what others have recorded', async () => {
    writeFileSync(
      file,
      'rule: pressure\ninputs: { p: { point: rig/Pressure, window: { count: 5 }, of: avg }, f: rig/Volume_Flow_RateRMS }\nwhen: p > 0.1 && f > 31\ndo: [{ review: { title: "{p}" } }]\n',
    );
    await attempt({ csv: skab });
    expect(printed.at(-1)).toMatch(
      /^pressure would have fired \d\d+ times in 2290 samples from 2020-03-09T10:34:33/,
    );
  });

  it('reads the history of a region, page by page', async () => {
    const asked: string[] = [];
    const all = [...pump()];
    server = createServer((request, response) => {
      const url = new URL(request.url ?? '', 'http://localhost');
      asked.push(`${request.headers.authorization} ${url.pathname}`);
      const fromMs = Number(url.searchParams.get('from'));
      const page = all.filter(([atMs]) => atMs >= fromMs).slice(0, 250);
      const last = page.at(-1)?.[0] ?? 0;
      const isFlow = url.pathname.includes('/flow/');
      const points = page.map(([t, flow, on]) =>
        isFlow && flow === null
          ? { t, v: null, q: 'bad', why: 'sensor-fault' }
          : { t, v: isFlow ? flow : on, q: 'good' },
      );
      const answer = url.pathname.endsWith('/devices')
        ? { items: [{ id: 'dev_works.other' }, { id: 'dev_works.pump' }], next: null }
        : { step: 0, points, continueFromMs: page.length < 250 ? null : last + 1 };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
    });
    const port = await new Promise<number>((resolve) => {
      server?.listen(0, '127.0.0.1', () => {
        const address = server?.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, 'secret\n');
    const span = { from: '2026-01-01T00:00:00Z', to: '2026-01-01T00:10:00Z' };
    await attempt({ region: `http://127.0.0.1:${port}`, tokenFile, ...span });
    expect(printed.length - 1).toBe((await live()).length);
    expect(asked.filter((each) => each.endsWith('/dev_works.pump/points/flow/history'))).toHaveLength(3);
    expect(asked[0]).toBe('Bearer secret /api/v1/devices');
  });

  it.each<[what: string, flags: TryFlags, fault: string]>([
    ['nowhere to read from', {}, 'say where the samples are: --state, --region or --csv'],
    ['no recording', { csv: 'nothing.csv' }, 'cannot read the recording nothing.csv'],
    ['no such folder', { state: '/nowhere' }, 'there is no /nowhere/catalog-copy.kv'],
    ['no token', { region: 'http://127.0.0.1:1' }, '--region needs --token-file'],
    ['no such rule', { rule: 'x', csv: 'x' }, 'there is no rule "x"; there are: flow-loss'],
    ['no time', { csv: 'x', from: 'noon' }, '--from: "noon" is not a time'],
  ])('says what is missing: %s', async (_, flags, fault) => {
    await expect(attempt(flags)).rejects.toThrow(fault);
  });

  it('names the columns there are when one is missing', async () => {
    const csv = join(folder, 'recording.csv');
    writeFileSync(csv, 'time,flow,speed\n2026-01-01T00:00:00Z,1,2\n');
    await expect(attempt({ csv })).rejects.toThrow('it has no column for pump/on; there are: flow, speed');
  });
});

describe('the tests of a rule', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-rules-'));
    writeFileSync(
      join(folder, 'r.yaml'),
      'rule: hot\ninputs: { t: a/t }\nwhen: t > 30\ndo: [{ review: { title: hot } }]\n',
    );
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const check = (tests: string) => {
    writeFileSync(
      join(folder, 'r.test.yaml'),
      `rule: hot\ntests:\n  - name: fires\n    given: [{ at: 5s, set: { t: 31 } }]\n    expect: ${tests}\n`,
    );
    return checkRules([join(folder, 'r.yaml')], {}, {});
  };

  it('may stand beside it', async () => {
    expect(await check('[{ at: 5s, does: ["review: hot"] }]')).toEqual({
      isFine: true,
      report: 'hot: 1 tests passed\n1 rules, 1 tests passed',
    });
  });

  it.each([
    ['[]', 'fires at 5s, which is not expected'],
    ['[{ at: 6s }]', 'fires at 5s instead of 6s'],
    ['[{ at: 5s }, { at: 1m }]', 'does not fire at 1m'],
    ['[{ at: 5s, does: ["review: cold"] }]', 'at 5s it does ["review: hot"] instead of ["review: cold"]'],
  ])('fail, and say how: %s', async (tests, fault) => {
    const { isFine, report } = await check(tests);
    expect(isFine).toBe(false);
    expect(report).toContain(`  ✗ fires\n      ${fault}`);
  });
});
