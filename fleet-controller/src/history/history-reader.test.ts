import { bad, type DeviceId } from '@millwright/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { TEST_SERVERS, TestServer } from '../postgres/test-server.fixture.ts';
import { RegionData, type TestSample } from '../region-data.fixture.ts';
import { HistoryReader, type HistoryRequest } from './history-reader.ts';
import { niceStep, rollupFor } from './step.ts';

const PUMP = 'dev_hall.pump' as DeviceId;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

for (const { name, binaries } of TEST_SERVERS) {
  describe(`history, on ${name}`, () => {
    let server: TestServer;
    let data: RegionData;
    let history: HistoryReader;
    let now: number;
    beforeAll(async () => {
      server = await TestServer.start(binaries);
    }, 60_000);
    afterAll(() => server.stop());
    beforeEach(async () => {
      data = await RegionData.open(await server.newDatabase());
      history = new HistoryReader(data);
      now = data.clock.wallMs();
    });
    afterEach(() => data.close());

    const read = async (request: Partial<HistoryRequest> = {}) => {
      const found = await history.read({ device: PUMP, point: 'p', ...request });
      if (found === null) throw new TypeError('there is no such point');
      return found;
    };
    const every = (stepMs: number, fromMs: number, toMs: number): TestSample[] =>
      Array.from(
        { length: Math.floor((toMs - fromMs) / stepMs) },
        (_, at) => [0, fromMs + at * stepMs, at] as const,
      );

    test('of a short span are the samples as they were, of other points nothing', async () => {
      const gateway = await data.gateway('one', [{ point: 'p', unit: 'bar' }, { point: 'other' }]);
      await data.storeSamples(
        gateway,
        [
          [0, now - 3000, 1.5],
          [1, now - 2900, 99],
          [0, now - 2000, null, bad('timeout')],
        ],
        [[0, now - 1000, 2.5]],
      );
      expect(await read({ fromMs: now - 5000, toMs: now })).toEqual({
        device: PUMP,
        point: 'p',
        unit: 'bar',
        fromMs: now - 5000,
        toMs: now,
        step: 0,
        source: 'frames',
        points: [
          { t: now - 3000, v: 1.5, q: 'good' },
          { t: now - 2000, v: null, q: 'bad', why: 'timeout' },
          { t: now - 1000, v: 2.5, q: 'good' },
        ],
        liveFromMs: null,
        continueFromMs: null,
        gaps: [],
        otherUnits: [],
      });
    });

    test('without times are the last hour', async () => {
      const gateway = await data.gateway('one', [{ point: 'p' }]);
      await data.storeSamples(gateway, [
        [0, now - HOUR - 1, 1],
        [0, now - HOUR, 2],
        [0, now, 3],
      ]);
      const found = await read();
      expect(found).toMatchObject({ fromMs: now - HOUR, toMs: now });
      expect(found.points).toMatchObject([{ v: 2 }, { v: 3 }]);
    });

    test('of many samples come in buckets that keep the extremes', async () => {
      const gateway = await data.gateway('one', [{ point: 'p' }]);
      const from = now - HOUR;
      await data.storeSamples(gateway, every(1000, from, now));
      const found = await read({ fromMs: from, toMs: now });
      expect(found).toMatchObject({ step: 5000, source: 'frames' });
      expect(found.points).toHaveLength(720);
      expect(found.points[1]).toEqual({
        t: from + 5000,
        min: 5,
        max: 9,
        mean: 7,
        last: 9,
        count: 5,
        bad: 0,
        q: 'good',
      });
    });

    test('of a long span come from roll-ups of a width that gives at most a thousand points', async () => {
      const gateway = await data.gateway('one', [{ point: 'p' }]);
      await data.storeSamples(gateway, every(10 * MINUTE, now - 10 * DAY, now));
      const found = await read({ fromMs: now - 10 * DAY, toMs: now });
      expect(found).toMatchObject({ step: 15 * MINUTE, source: 'rollup', continueFromMs: null });
      const counted = found.points.reduce((sum, point) => sum + ('count' in point ? point.count : 0), 0);
      expect(counted).toBe(1440);
      expect(found.points[0]).toMatchObject({
        t: now - 10 * DAY,
        min: 0,
        max: 1,
        mean: 0.5,
        last: 1,
        count: 2,
      });
    });

    test('give what the samples of a bucket give, from roll-ups of every width', async () => {
      const gateway = await data.gateway('one', [{ point: 'p' }]);
      await data.storeSamples(gateway, every(7 * MINUTE, now - 3 * DAY, now));
      for (const stepMs of [MINUTE, 5 * MINUTE, 15 * MINUTE, 20 * MINUTE, 45 * MINUTE, HOUR, 3 * HOUR, DAY]) {
        const found = await read({ fromMs: now - 3 * DAY, toMs: now, stepMs });
        expect(found).toMatchObject({ step: stepMs, source: 'rollup' });
        let count = 0;
        let sum = 0;
        for (const point of found.points) {
          if (!('count' in point)) continue;
          expect(point.t % stepMs).toBe(0);
          count += point.count;
          sum += point.count * (point.mean ?? 0);
        }
        expect(count).toBe(617);
        expect(sum).toBeCloseTo((616 * 617) / 2);
      }
    });

    test('with a step below a minute come from frames, in such buckets', async () => {
      const gateway = await data.gateway('one', [{ point: 'p' }]);
      await data.storeSamples(gateway, every(1000, now - 2 * MINUTE, now));
      const found = await read({ fromMs: now - 2 * MINUTE, toMs: now, stepMs: 10_000 });
      expect(found).toMatchObject({ step: 10_000, source: 'frames' });
      expect(found.points).toHaveLength(12);
    });

    test('as samples are cut at the bound and go on from there', async () => {
      const gateway = await data.gateway('one', [{ point: 'p' }]);
      const from = now - 7 * HOUR;
      const all = every(1000, from, now);
      for (let at = 0; at < all.length; at += 4000)
        await data.storeSamples(gateway, all.slice(at, at + 4000));
      const seen: number[] = [];
      let fromMs: number | null = from;
      let rounds = 0;
      while (fromMs !== null && rounds < 10) {
        const found = await read({ fromMs, toMs: now, stepMs: 0 });
        expect(found.points.length).toBeLessThanOrEqual(10_000);
        seen.push(...found.points.map(({ t }) => t));
        fromMs = found.continueFromMs;
        rounds += 1;
      }
      expect(rounds).toBe(3);
      expect(seen).toEqual(all.map(([, t]) => t));
    });

    test('reach to now by the live lane, from where frames end', async () => {
      const gateway = await data.gateway('one', [{ point: 'p' }]);
      await data.storeSamples(gateway, [
        [0, now - 3000, 1],
        [0, now - 2000, 2],
      ]);
      data.sendLive(gateway, [
        [0, now - 2000, 2],
        [0, now - 1000, 3],
      ]);
      data.sendLive(gateway, [[0, now - 1000, 3]]);
      data.sendLive(gateway, [[0, now, 4]]);
      const raw = await read({ fromMs: now - 10_000 });
      expect(raw.points.map((point) => 'v' in point && point.v)).toEqual([1, 2, 3, 4]);
      expect(raw.liveFromMs).toBe(now - 1000);
      const buckets = await read({ fromMs: now - DAY, stepMs: MINUTE });
      expect(buckets.points.at(-1)).toMatchObject({ count: 1, last: 4 });
      expect(buckets.points.at(-2)).toMatchObject({ count: 3, min: 1, max: 3, last: 3 });
      expect(buckets.liveFromMs).toBe(now - 1000);
    });

    test('of the past ask the live lane nothing', async () => {
      const gateway = await data.gateway('one', [{ point: 'p' }]);
      data.sendLive(gateway, [[0, now - DAY, 3]]);
      expect(await read({ fromMs: now - 2 * DAY, toMs: now - HOUR, stepMs: 0 })).toMatchObject({
        points: [],
      });
    });

    test('find frames of a device whose clock was far off', async () => {
      const gateway = await data.gateway('one', [{ point: 'p' }]);
      await data.storeSamples(gateway, [
        [0, 1000, 7],
        [0, now - 5 * HOUR, 8],
      ]);
      await data.storeSamples(gateway, [[0, now - 1000, 9]]);
      expect((await read({ fromMs: now - 6 * HOUR, toMs: now, stepMs: 0 })).points).toMatchObject([
        { v: 8 },
        { v: 9 },
      ]);
      expect((await read({ fromMs: 0, toMs: 5000, stepMs: 0 })).points).toMatchObject([{ v: 7 }]);
    });

    test('go on over a change of the point’s number and of its gateway, but not of its unit', async () => {
      const one = await data.gateway('one', [
        { point: 'p', unit: 'psi' },
        { point: 'p', unit: 'bar' },
        { point: 'p', unit: 'bar', label: 'Pressure' },
      ]);
      await data.storeSamples(one, [
        [0, now - 5000, 500],
        [1, now - 4000, 1],
        [2, now - 3000, 2],
      ]);
      const two = await data.gateway('two', [{ point: 'p', unit: 'bar' }]);
      await data.storeSamples(two, [[0, now - 2000, 3]]);
      const found = await read({ fromMs: now - 10_000, stepMs: 0 });
      expect(found.points).toMatchObject([{ v: 1 }, { v: 2 }, { v: 3 }]);
      expect(found).toMatchObject({ unit: 'bar', otherUnits: ['psi'] });
    });

    test('of texts and booleans keep their kind in samples and buckets', async () => {
      const gateway = await data.gateway('one', [
        { point: 'p', kind: 'text' },
        { point: 'on', kind: 'bool' },
      ]);
      await data.storeSamples(gateway, [
        [0, now - 2000, 'idle'],
        [0, now - 1000, 'run'],
        [1, now - 1000, true],
      ]);
      expect((await read({ fromMs: now - 5000 })).points).toMatchObject([{ v: 'idle' }, { v: 'run' }]);
      expect((await read({ fromMs: now - DAY, stepMs: HOUR })).points).toMatchObject([
        { last: 'run', min: null, count: 0, bad: 0 },
      ]);
      expect((await read({ point: 'on', fromMs: now - DAY, stepMs: HOUR })).points).toMatchObject([
        { last: true, min: 1, max: 1 },
      ]);
    });

    test('name the gaps that overlap', async () => {
      const gateway = await data.gateway('one', [{ point: 'p' }]);
      await data.store.appendEntries(gateway, [
        data.gap(gateway, { reason: 'gateway-down', fromMs: now - 5 * HOUR, toMs: now - 4 * HOUR }),
        data.gap(gateway, { reason: 'journal-full', fromMs: now - 2 * HOUR, toMs: now - HOUR, samples: 12 }),
      ]);
      expect((await read({ fromMs: now - 90 * MINUTE })).gaps).toEqual([
        {
          gateway,
          reason: 'journal-full',
          fromMs: now - 2 * HOUR,
          toMs: now - HOUR,
          samples: 12,
          detail: null,
        },
      ]);
    });

    test('of a point that is not there are nothing', async () => {
      await data.gateway('one', [{ point: 'p' }]);
      expect(await history.read({ device: PUMP, point: 'q' })).toBeNull();
    });
  });
}

describe('a step', () => {
  test('is the narrowest readable one that gives at most a thousand buckets', () => {
    expect([1000, 60_000, 3_600_000, DAY, 30 * DAY, 3650 * DAY].map(niceStep)).toEqual([
      1,
      100,
      5000,
      2 * MINUTE,
      HOUR,
      7 * DAY,
    ]);
  });

  test('is made up of the widest roll-up that divides it', () => {
    expect(rollupFor(90_000)).toMatchObject({ stepMs: 120_000, rollup: { table: 'rollup_1m' } });
    expect(rollupFor(20 * MINUTE)).toMatchObject({ stepMs: 20 * MINUTE, rollup: { table: 'rollup_1m' } });
    expect(rollupFor(30 * MINUTE)).toMatchObject({ rollup: { table: 'rollup_15m' } });
    expect(rollupFor(3 * HOUR)).toMatchObject({ rollup: { table: 'rollup_1h' } });
    expect(rollupFor(2 * DAY)).toMatchObject({ rollup: { table: 'rollup_1d' } });
  });
});
