import {
  bad,
  GOOD,
  MAX_TEXT_LENGTH,
  type PointNo,
  type QualityByte,
  SampleBatch,
  type Value,
} from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { LiveLane } from './live-lane.ts';
import { PointsTable } from './points-table.ts';

const A = 0 as PointNo;
const B = 1 as PointNo;

describe('the points table', () => {
  let clock: MemoryClock;
  let logger: MemoryLogger;
  let all: (readonly [number, Value, string, string?])[];
  let reported: (readonly [number, Value, string, string?])[];
  let lane: LiveLane;
  let table: PointsTable;

  beforeEach(async () => {
    clock = new MemoryClock();
    logger = new MemoryLogger();
    all = [];
    reported = [];
    lane = new LiveLane();
    table = new PointsTable({
      clock,
      logger,
      all: [{ name: 'all', accept: (batch) => all.push(...shown(batch)) }],
      reported: [
        { name: 'reported', accept: (batch) => reported.push(...shown(batch)) },
        { name: 'live', accept: lane.accept },
      ],
    });
    lane.attach(table);
    await table.start();
    return () => table.stop();
  });

  function send(no: PointNo, value: Value, quality: QualityByte = GOOD, tSourceMs = clock.wallMs()): void {
    const batch = new SampleBatch(1);
    batch.push(no, tSourceMs, clock.wallMs(), value, quality);
    table.accept(batch);
  }

  const values = () => reported.map(([, value]) => value);

  it('passes every sample of a point without report rules', () => {
    table.configure([{ no: A }]);
    for (const value of [1, 1, 1]) send(A, value);
    expect(values()).toEqual([1, 1, 1]);
  });

  it('holds back what stays within the deadband, measured from what was last reported', () => {
    table.configure([{ no: A, deadband: 0.5 }]);
    for (const value of [10, 10.4, 10.5, 10.2, 10.51, 10.9, 11.02, 10.52]) send(A, value);
    expect(values()).toEqual([10, 10.51, 11.02]);
    expect(all).toHaveLength(8);
    expect(table.sample(A)).toMatchObject({ v: 10.52, q: 'good' });
    expect(table.counts).toEqual({ received: 8, reported: 3, unknown: 0 });
  });

  it('with a deadband of 0 passes every change and nothing else, whatever the kind', () => {
    table.configure([{ no: A, deadband: 0 }]);
    const sent = [1.5, 1.5, Number.NaN, Number.NaN, 7n, 7n, 8n, 2n ** 63n, 2n ** 63n + 1n, true, true, false];
    for (const value of [...sent, 'a', 'a', 'b', null, null]) send(A, value);
    expect(values()).toEqual([
      1.5,
      Number.NaN,
      7n,
      8n,
      2n ** 63n,
      2n ** 63n + 1n,
      true,
      false,
      'a',
      'b',
      null,
    ]);
  });

  it('measures the deadband of 64-bit integers without losing their low digits', () => {
    table.configure([{ no: A, deadband: 10 }]);
    const large = 2n ** 62n;
    for (const value of [large, large + 10n, large + 11n, large - 1n]) send(A, value);
    expect(values()).toEqual([large, large + 11n, large - 1n]);
  });

  it('always passes a change of quality', () => {
    table.configure([{ no: A, deadband: 100 }]);
    send(A, 1);
    send(A, null, bad('timeout'));
    send(A, null, bad('timeout'));
    send(A, null, bad('disconnected'));
    send(A, 1);
    expect(reported).toEqual([
      [0, 1, 'good'],
      [0, null, 'bad', 'timeout'],
      [0, null, 'bad', 'disconnected'],
      [0, 1, 'good'],
    ]);
  });

  it('repeats the newest value at the heartbeat, although it never left the deadband', async () => {
    table.configure([{ no: A, deadband: 100, heartbeatMs: 5000 }]);
    send(A, 1);
    await clock.advance(2000);
    send(A, 2);
    await clock.advance(2900);
    expect(values()).toEqual([1]);
    await clock.advance(200);
    expect(values()).toEqual([1, 2]);
    await clock.advance(10_000);
    expect(values()).toEqual([1, 2, 2, 2]);
    expect(all).toHaveLength(2);
  });

  it('marks a point that went silent once, keeps its value, and lifts it with the next sample', async () => {
    table.configure([{ no: A, staleMs: 3000 }, { no: B }]);
    send(A, 5);
    send(B, 6);
    await clock.advance(10_000);
    expect(reported).toEqual([
      [0, 5, 'good'],
      [1, 6, 'good'],
      [0, 5, 'uncertain', 'stale'],
    ]);
    expect(all.at(-1)).toEqual([0, 5, 'uncertain', 'stale']);
    send(A, 5);
    expect(table.sample(A)).toMatchObject({ v: 5, q: 'good' });
  });

  it('says of a point that was never read that it was not yet read, and sends nothing for it', async () => {
    table.configure([{ no: A, staleMs: 1000, heartbeatMs: 1000 }]);
    await clock.advance(5000);
    expect(table.sample(A)).toMatchObject({ v: null, q: 'bad', why: 'not-yet-read' });
    expect(reported).toEqual([]);
    expect(table.sample(B)).toBeUndefined();
  });

  it('keeps a time more than a day off, and says not to trust it', () => {
    table.configure([{ no: A }]);
    const wrong = clock.wallMs() + 25 * 3600_000;
    send(A, 1, GOOD, wrong);
    expect(table.sample(A)).toMatchObject({ v: 1, q: 'uncertain', why: 'clock-skew', tSource: wrong });
  });

  it('marks the sample at which a source clock went back, and trusts it from there on', () => {
    table.configure([{ no: A }]);
    const start = clock.wallMs();
    for (const offset of [0, 1000, 500, 600, 700]) send(A, offset, GOOD, start + offset);
    expect(reported.map(([, , quality]) => quality)).toEqual(['good', 'good', 'uncertain', 'good', 'good']);
  });

  it('puts the time of arrival where a source gave none', () => {
    table.configure([{ no: A }]);
    send(A, 1, GOOD, Number.NaN);
    expect(table.sample(A)).toMatchObject({ tSource: clock.wallMs(), why: 'clock-skew' });
  });

  it('does not pass on part of a text that is too long', () => {
    table.configure([{ no: A }]);
    send(A, 'x'.repeat(MAX_TEXT_LENGTH + 1));
    expect(reported).toEqual([[0, null, 'bad', 'out-of-range']]);
  });

  it('counts samples of points nobody configured and passes the others of the batch', () => {
    table.configure([{ no: A }]);
    const batch = new SampleBatch(3);
    for (const no of [7, 0, 300_000]) batch.pushNumber(no as PointNo, clock.wallMs(), clock.wallMs(), no);
    table.accept(batch);
    expect(reported).toEqual([[0, 0, 'good']]);
    expect(table.counts.unknown).toBe(2);
  });

  it('forgets a retired point, and begins anew when it returns', () => {
    table.configure([{ no: A, deadband: 0 }]);
    send(A, 'text');
    table.retire([A]);
    send(A, 'text');
    expect(table.sample(A)).toBeUndefined();
    expect(table.counts.unknown).toBe(1);
    table.configure([{ no: A, deadband: 0 }]);
    expect(table.sample(A)).toMatchObject({ v: null, why: 'not-yet-read' });
    send(A, 'text');
    expect(values()).toEqual(['text', 'text']);
  });

  it('keeps the others supplied when one receiver fails, and says so once', () => {
    const seen: number[] = [];
    const broken = new PointsTable({
      clock,
      logger,
      all: [
        {
          name: 'broken',
          accept: () => {
            throw new RangeError('oops');
          },
        },
      ],
      reported: [{ name: 'fine', accept: (batch) => seen.push(batch.length) }],
    });
    broken.configure([{ no: A }]);
    for (let times = 0; times < 3; times++) {
      const batch = new SampleBatch(1);
      batch.pushNumber(A, clock.wallMs(), clock.wallMs(), 1);
      broken.accept(batch);
    }
    expect(seen).toEqual([1, 1, 1]);
    expect(logger.lines).toMatchObject([{ level: 'error', fields: { sink: 'broken' } }]);
  });

  it('lets a receiver send samples of its own in the same turn', () => {
    const nested = new PointsTable({
      clock,
      logger,
      all: [
        {
          name: 'scores',
          accept: (batch) => {
            if (batch.point[0] !== A) return;
            const scores = new SampleBatch(1);
            scores.pushNumber(B, clock.wallMs(), clock.wallMs(), 0.5);
            nested.accept(scores);
          },
        },
      ],
      reported: [{ name: 'reported', accept: (batch) => reported.push(...shown(batch)) }],
    });
    nested.configure([
      { no: A, deadband: 1 },
      { no: B, deadband: 0 },
    ]);
    for (const value of [1, 1.5, 9]) {
      const batch = new SampleBatch(4);
      batch.pushNumber(A, clock.wallMs(), clock.wallMs(), value);
      nested.accept(batch);
    }
    expect(reported.map(([no, value]) => [no, value])).toEqual([
      [1, 0.5],
      [0, 1],
      [0, 9],
    ]);
  });

  describe('its live lane', () => {
    const drained = (capacity = 1000) => {
      const batch = new SampleBatch(capacity);
      return lane.drainInto(batch) ? shown(batch).map(([no, value]) => [no, value]) : false;
    };

    it('sends each changed point once, with its newest value', () => {
      table.configure([{ no: A }, { no: B }]);
      send(A, 1);
      send(A, 2);
      send(B, 3);
      expect(drained()).toEqual([
        [0, 2],
        [1, 3],
      ]);
      expect(drained()).toBe(false);
    });

    it('tells once that something changed, until it was drained', () => {
      table.configure([{ no: A }]);
      let told = 0;
      const forget = lane.onDirty(() => told++);
      send(A, 1);
      send(A, 2);
      expect(told).toBe(1);
      drained();
      send(A, 3);
      expect(told).toBe(2);
      forget();
      drained();
      send(A, 4);
      expect(told).toBe(2);
    });

    it('serves every point when a batch holds only some of them', () => {
      const numbers = Array.from({ length: 1000 }, (_, no) => no as PointNo);
      table.configure(numbers.map((no) => ({ no })));
      const served = new Set<unknown>();
      for (const no of numbers) send(no, 1);
      for (let times = 0; times < 20; times++) {
        for (const [no] of drained(50) || []) served.add(no);
        send(A, times);
      }
      expect(served.size).toBe(1000);
    });

    it('shows the whole picture on demand, without points that were never read', () => {
      table.configure([{ no: A }, { no: B }, { no: 40 as PointNo }]);
      send(A, 1);
      send(40 as PointNo, 'on');
      drained();
      lane.markAllDirty();
      expect(drained()).toEqual([
        [0, 1],
        [40, 'on'],
      ]);
    });
  });
});

function shown(batch: SampleBatch): (readonly [number, Value, string, string?])[] {
  return Array.from({ length: batch.length }, (_, row) => {
    const { point, v, q, why } = batch.sampleAt(row);
    return why === undefined ? ([point, v, q] as const) : ([point, v, q, why] as const);
  });
}
