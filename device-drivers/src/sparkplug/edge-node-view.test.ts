import { MemoryClock } from '@millwright/protocol/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { EdgeNodeView } from './edge-node-view.ts';
import { decodePayload, encodePayload, type Metric } from './payload.ts';
import type { DeviceMessage, NodeMessage } from './topic.ts';

const REORDER_MS = 1000;

describe('what a host knows of an edge node', () => {
  let clock: MemoryClock;
  let view: EdgeNodeView;
  let told: string[];

  beforeEach(() => {
    clock = new MemoryClock();
    told = [];
    const name = (device: string | undefined) => device ?? 'node';
    view = new EdgeNodeView(
      {
        clock,
        listener: {
          onBirth: ({ device }) => told.push(`${name(device)} born`),
          onData: ({ device }, metrics) =>
            told.push(`${name(device)} ${metrics.map(({ value }) => value).join()}`),
          onDeath: ({ device }) => told.push(`${name(device)} dead`),
          onLost: () => told.push('lost'),
        },
      },
      { id: { group: 'plant', node: 'line' }, reorderMs: REORDER_MS },
    );
  });

  function take(
    type: NodeMessage | DeviceMessage,
    seq: number | undefined,
    metrics: readonly Metric[] = [],
    device = type.startsWith('D') ? 'press' : undefined,
  ): void {
    const payload = decodePayload(encodePayload({ timestampMs: clock.wallMs(), seq, metrics }));
    view.take({ type, device, payload });
  }
  const birth = (bdSeq: number) => take('NBIRTH', 0, [{ name: 'bdSeq', type: 'Int64', value: bdSeq }]);
  const death = (bdSeq: number) =>
    take('NDEATH', undefined, [{ name: 'bdSeq', type: 'Int64', value: bdSeq }]);
  const deviceBirth = (seq: number) =>
    take('DBIRTH', seq, [{ name: 'x', alias: 1, type: 'Int32', value: 0 }]);
  const data = (seq: number) =>
    take('DDATA', seq, [{ alias: 1, type: 'Int32', value: seq, withType: false }]);

  it('takes messages in the order of their numbers, over the turn from 255 to 0', () => {
    birth(1);
    deviceBirth(1);
    for (let seq = 2; seq < 256; seq++) data(seq);
    told = [];
    data(1);
    data(0);
    expect(told).toEqual(['press 0', 'press 1']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('tells what waited, and that something is missing, when it has waited long enough', async () => {
    birth(1);
    deviceBirth(1);
    told = [];
    for (const seq of [3, 6, 4]) data(seq);
    await clock.advance(REORDER_MS - 1);
    expect(told).toEqual([]);
    await clock.advance(1);
    expect(told).toEqual(['press 3', 'press 4', 'press 6', 'lost']);
    data(7);
    expect(told.at(-1)).toBe('press 7');
  });

  it('does not believe the death of an earlier session', () => {
    birth(4);
    told = [];
    death(3);
    expect(told).toEqual([]);
    death(4);
    expect(told).toEqual(['node dead']);
    death(4);
    expect(told).toEqual(['node dead']);
  });

  it('asks for a birth when data comes without one, or without a number', () => {
    data(1);
    birth(1);
    data(1);
    take('DDATA', undefined);
    expect(told).toEqual(['lost', 'node born', 'lost', 'lost']);
  });

  it('asks less and less often while there is no answer', async () => {
    const asked: number[] = [];
    for (let s = 0; s < 300; s++) {
      if (view.ask()) asked.push(s);
      await clock.advance(1000);
    }
    expect(asked.slice(0, 5)).toEqual([0, 1, 3, 7, 15]);
    expect(asked.length).toBeLessThan(12);
    birth(1);
    expect(view.ask()).toBe(true);
  });

  it('keeps devices alive through a rebirth, and drops those that are not born again', async () => {
    birth(1);
    deviceBirth(1);
    take('DBIRTH', 2, [], 'saw');
    birth(1);
    deviceBirth(1);
    told = [];
    await clock.advance(REORDER_MS);
    expect(told).toEqual(['saw dead']);
    expect(view.registerOf('press')).toBeDefined();
    expect(view.registerOf('saw')).toBeUndefined();
  });

  it('knows nothing for sure when the connection is gone, and leaves no timer', () => {
    birth(1);
    deviceBirth(1);
    data(9);
    told = [];
    view.forget('the connection was lost');
    expect(told).toEqual(['press dead', 'node dead']);
    expect(clock.pendingTimers).toBe(0);
  });
});
