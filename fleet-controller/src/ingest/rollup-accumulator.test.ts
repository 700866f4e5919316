import { bad, PointNo, qualityByte, SampleBatch } from '@millwright/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batchOf, type TestSample } from '../region-data.fixture.ts';
import { RollupAccumulator, RollupColumns } from './rollup-accumulator.ts';

const MINUTE = 60_000;

function bucketsOf(columns: RollupColumns) {
  return Array.from({ length: columns.length }, (_, row) => ({
    series: columns.series[row],
    bucketMs: columns.bucketMs[row],
    min: columns.min[row],
    max: columns.max[row],
    sum: columns.sum[row],
    count: columns.count[row],
    bad: columns.bad[row],
    last: columns.last[row],
    lastText: columns.lastText[row],
    lastMs: columns.lastMs[row],
  })).sort((a, b) => (a.series ?? 0) - (b.series ?? 0) || (a.bucketMs ?? 0) - (b.bucketMs ?? 0));
}

function accumulate(...batches: readonly (readonly TestSample[])[]) {
  const rollups = new RollupAccumulator();
  for (const samples of batches) rollups.add(batchOf(samples), (no) => 100 + no);
  return rollups;
}

describe('roll-ups', () => {
  test('gather the samples of a point by the minute of their source time', () => {
    const rollups = accumulate([
      [0, 0, 4],
      [0, 59_999, 2],
      [0, 60_000, 7],
      [1, 10, 1],
    ]);
    expect(bucketsOf(rollups.minutes)).toMatchObject([
      { series: 100, bucketMs: 0, min: 2, max: 4, sum: 6, count: 2, bad: 0, last: 2, lastMs: 59_999 },
      { series: 100, bucketMs: MINUTE, min: 7, max: 7, sum: 7, count: 1, last: 7 },
      { series: 101, bucketMs: 0, count: 1 },
    ]);
  });

  test('go on in the same bucket over several batches', () => {
    const rollups = accumulate([[0, 5, 1]], [[0, 6, 3]], [[0, 4, 8]]);
    expect(bucketsOf(rollups.minutes)).toMatchObject([
      { min: 1, max: 8, sum: 12, count: 3, last: 3, lastMs: 6 },
    ]);
  });

  test('leave out of mean and extremes what is bad, missing or not finite, and count it', () => {
    const rollups = accumulate([
      [0, 1, 5],
      [0, 2, 99, bad('timeout')],
      [0, 3, null, bad('disconnected')],
      [0, 4, Number.NaN],
      [0, 5, Number.POSITIVE_INFINITY],
      [0, 6, 6, qualityByte('uncertain', 'stale')],
    ]);
    expect(bucketsOf(rollups.minutes)).toMatchObject([
      { min: 5, max: 6, sum: 11, count: 2, bad: 4, last: 6 },
    ]);
  });

  test('know booleans and 64-bit integers as numbers, and keep an integer that no double holds as text', () => {
    const big = 9_007_199_254_740_993n;
    const rollups = accumulate([
      [0, 1, true],
      [0, 2, false],
      [1, 1, -3n],
      [2, 1, big],
      [3, 1, 2n ** 63n + 1n],
    ]);
    expect(bucketsOf(rollups.minutes)).toMatchObject([
      { series: 100, min: 0, max: 1, count: 2, last: 0 },
      { series: 101, last: -3, lastText: undefined },
      { series: 102, lastText: String(big) },
      { series: 103, lastText: String(2n ** 63n + 1n) },
    ]);
  });

  test('keep the last text and count texts neither as numbers nor as bad', () => {
    const rollups = accumulate([
      [0, 1, 'running'],
      [0, 2, 'a\0b'],
    ]);
    expect(bucketsOf(rollups.minutes)).toMatchObject([{ count: 0, bad: 0, lastText: 'a\ufffdb' }]);
  });

  test('file a sample without a possible date under the time its gateway got it', () => {
    const batch = new SampleBatch(2);
    batch.pushNumber(PointNo.parse(0), -5, 3 * MINUTE, 1);
    batch.pushNumber(PointNo.parse(0), Number.MAX_SAFE_INTEGER, 3 * MINUTE, 2);
    const rollups = new RollupAccumulator();
    rollups.add(batch, () => 1);
    expect(bucketsOf(rollups.minutes)).toMatchObject([{ bucketMs: 3 * MINUTE, count: 2 }]);
  });

  test('of minutes, gathered into wider buckets, are the same as of the samples themselves', () => {
    const sample = fc.tuple(
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 0, max: 5 * 3_600_000 }),
      fc.integer({ min: -1000, max: 1000 }),
      fc.constantFrom(0, bad('timeout')),
    );
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1, maxLength: 300 }), (samples) => {
        const wide = new RollupColumns();
        accumulate(samples).widen(3_600_000, wide);
        expect(bucketsOf(wide).map(({ last: _, lastMs, ...rest }) => ({ ...rest, lastMs }))).toEqual(
          plainBuckets(samples, 3_600_000),
        );
      }),
      { numRuns: 100 },
    );
  });

  test('start anew after they were cleared, and grow beyond their first size', () => {
    const rollups = accumulate(Array.from({ length: 5000 }, (_, no) => [no, 1, no] as const));
    expect(rollups.minutes.length).toBe(5000);
    expect(bucketsOf(rollups.minutes)[4999]).toMatchObject({ series: 5099, sum: 4999 });
    rollups.clear();
    rollups.add(batchOf([[0, 1, 3]]), () => 1);
    expect(bucketsOf(rollups.minutes)).toMatchObject([{ series: 1, min: 3, max: 3, sum: 3, count: 1 }]);
  });
});

/** The same by the plainest means. */
function plainBuckets(samples: readonly (readonly [number, number, number, number])[], widthMs: number) {
  const keys = new Set(samples.map(([no, t]) => `${no} ${Math.floor(t / widthMs)}`));
  return [...keys]
    .map((key) => {
      const [no = 0, bucket = 0] = key.split(' ').map(Number);
      const mine = samples.filter(([n, t]) => n === no && Math.floor(t / widthMs) === bucket);
      const good = mine.filter(([, , , quality]) => quality === 0).map(([, , value]) => value);
      return {
        series: 100 + no,
        bucketMs: bucket * widthMs,
        min: good.length > 0 ? Math.min(...good) : Number.NaN,
        max: good.length > 0 ? Math.max(...good) : Number.NaN,
        sum: good.reduce((sum, value) => sum + value, 0),
        count: good.length,
        bad: mine.length - good.length,
        lastText: undefined,
        lastMs: Math.max(...mine.map(([, t]) => t)),
      };
    })
    .sort((a, b) => a.series - b.series || a.bucketMs - b.bucketMs);
}
