import { bad, type GatewayId, SampleBatch } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import { Directory } from '../ingest/directory.ts';
import { batchOf, type TestSample } from '../region-data.fixture.ts';
import { LiveValues } from './live-values.ts';

const ONE = 'gw_aaaaaaaaaaaaaaaa' as GatewayId;
const TWO = 'gw_bbbbbbbbbbbbbbbb' as GatewayId;

describe('live values', () => {
  let clock: MemoryClock;
  let live: LiveValues;
  beforeEach(() => {
    clock = new MemoryClock();
    live = new LiveValues({ clock, logger: new MemoryLogger(), directory: new Directory() });
  });
  const accept = (gateway: GatewayId, ...samples: TestSample[]) => live.accept(gateway, batchOf(samples));
  const tailOf = (gateway: GatewayId, no: number, afterMs: number) => {
    const into = new SampleBatch(1000);
    live.tail(gateway, no, afterMs, into);
    return Array.from({ length: into.length }, (_, row) => [into.tSourceMs[row], into.valueAt(row)]);
  };

  test('are the newest of each point of each gateway, of every kind', () => {
    accept(ONE, [0, 1, 1.5], [1, 1, true], [2, 1, 2n ** 63n], [3, 1, 'open'], [4, 1, null, bad('timeout')]);
    accept(TWO, [0, 1, -7n]);
    accept(ONE, [0, 2, 2.5], [3, 2, 'shut']);
    expect(live.latest(ONE, 0)).toEqual({ v: 2.5, q: 'good', tSource: 2, tGateway: 7 });
    expect(live.latest(ONE, 1)?.v).toBe(true);
    expect(live.latest(ONE, 2)?.v).toBe(2n ** 63n);
    expect(live.latest(ONE, 3)?.v).toBe('shut');
    expect(live.latest(ONE, 4)).toEqual({ v: null, q: 'bad', why: 'timeout', tSource: 1, tGateway: 6 });
    expect(live.latest(TWO, 0)?.v).toBe(-7n);
    expect(live.latest(TWO, 1)).toBeUndefined();
  });

  test('stay right when there are many points, added in any order', () => {
    for (let no = 5000; no >= 0; no -= 7) accept(ONE, [no, 1, no % 2 === 0 ? `text ${no}` : no]);
    for (let no = 5000; no >= 0; no -= 7) {
      expect(live.latest(ONE, no)?.v).toBe(no % 2 === 0 ? `text ${no}` : no);
    }
  });

  test('tell who remembers a count which points have changed since, each once', () => {
    accept(ONE, [0, 1, 1], [1, 1, 1], [2, 1, 1]);
    const seen = live.head;
    accept(ONE, [1, 2, 2], [0, 2, 2], [1, 3, 3]);
    const slots = [...live.changed(seen)];
    expect(slots).toHaveLength(2);
    expect(slots.map((slot) => live.scan(slot, seen, live.head))).toEqual(slots);
    expect(live.scan(0, live.head, live.head)).toBeUndefined();
  });

  test('call back once per batch that has any', () => {
    let calls = 0;
    const stop = live.onChange(() => {
      calls += 1;
    });
    accept(ONE, [0, 1, 1], [1, 1, 1]);
    accept(ONE);
    stop();
    accept(ONE, [0, 2, 2]);
    expect(calls).toBe(1);
  });

  test('of the last minutes are kept for charts, in order of arrival', () => {
    accept(ONE, [0, 10, 1], [1, 10, 9], [0, 20, 2]);
    accept(ONE, [0, 30, 'three']);
    expect(tailOf(ONE, 0, 0)).toEqual([
      [10, 1],
      [20, 2],
      [30, 'three'],
    ]);
    expect(tailOf(ONE, 0, 20)).toEqual([[30, 'three']]);
    expect(tailOf(TWO, 0, 0)).toEqual([]);
  });

  test('are forgotten after minutes, in pieces', async () => {
    const many: TestSample[] = Array.from({ length: 16_384 }, (_, at) => [0, at, at]);
    accept(ONE, ...many);
    await clock.advance(121_000);
    accept(ONE, [0, 1_000_000, 5]);
    expect(tailOf(ONE, 0, 16_000)).toEqual([[1_000_000, 5]]);
  });

  test('of the last minutes have a bound, however many come', () => {
    const many: TestSample[] = Array.from({ length: 16_384 }, (_, at) => [0, at, 1]);
    const batch = batchOf(many);
    for (let round = 0; round < 70; round++) live.accept(ONE, batch);
    const into = new SampleBatch(100 * 16_384);
    live.tail(ONE, 0, -1, into);
    expect(into.length).toBe(64 * 16_384);
  });

  test('know which gateways are connected', () => {
    live.connected(ONE, true);
    live.connected(TWO, true);
    live.connected(ONE, false);
    expect(live.connectedGateways).toEqual([TWO]);
  });
});
