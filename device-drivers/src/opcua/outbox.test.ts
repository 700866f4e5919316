import { setImmediate } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import { Kind, PointNo, type Sample, SampleBatch } from '@millwright/protocol';
import { describe, expect, it } from 'vitest';
import { type FromWorker, MAX_PACKED_SAMPLES, unpack } from './messages.ts';
import { Outbox } from './outbox.ts';

const no = (number: number) => PointNo.parse(number);

/** An outbox and the other end of its channel, which serialises as the real one does. */
function channel(points = 10) {
  const received: (Sample & { point: number })[] = [];
  const messages: Extract<FromWorker, { op: 'samples' }>[] = [];
  const batch = new SampleBatch(MAX_PACKED_SAMPLES);
  const outbox = new Outbox({
    line: 1,
    points,
    send: (message) => {
      if (message.op !== 'samples') return;
      const copy: typeof message = deserialize(serialize(message));
      messages.push(copy);
      unpack(copy.samples, batch, 9000);
      for (let row = 0; row < batch.length; row++) received.push(batch.sampleAt(row));
    },
  });
  const push = (point: number, value: number) => {
    outbox.batch.pushNumber(no(point), 1, 1, value);
    outbox.pushed();
  };
  return { outbox, received, messages, push };
}

describe('the outbox', () => {
  it('carries every kind of value unchanged, with the receiver’s time', async () => {
    const { outbox, received } = channel();
    outbox.batch.pushText(no(1), 10, 0, 'a');
    outbox.batch.pushInt(no(2), 11, 0, -5n);
    outbox.batch.pushInt(no(3), 12, 0, 2n ** 64n - 1n, 0, Kind.uint64);
    outbox.batch.pushBool(no(4), 13, 0, true);
    outbox.batch.pushNull(no(5), 14, 0, 2);
    outbox.batch.pushNumber(no(6), 15, 0, -0);
    outbox.batch.pushText(no(7), 16, 0, 'b', 1);
    outbox.pushed();
    await setImmediate();
    expect(received.map(({ point, v, q }) => [point, v, q])).toEqual([
      [1, 'a', 'good'],
      [2, -5n, 'good'],
      [3, 2n ** 64n - 1n, 'good'],
      [4, true, 'good'],
      [5, null, 'bad'],
      [6, -0, 'good'],
      [7, 'b', 'uncertain'],
    ]);
    expect(received.every(({ tGateway }) => tGateway === 9000)).toBe(true);
    expect(received.map(({ tSource }) => tSource)).toEqual([10, 11, 12, 13, 14, 15, 16]);
  });

  it('sends what one tick brought in one message', async () => {
    const { messages, push } = channel();
    for (let i = 0; i < 100; i++) push(1, i);
    await setImmediate();
    push(1, 100);
    await setImmediate();
    expect(messages.map(({ samples }) => samples.point.length)).toEqual([100, 1]);
  });

  it('waits for the receiver, then gives up older values of a point for its newest and says how many', async () => {
    const points = 10;
    const { outbox, received, messages, push } = channel(points);
    const total = 200_000;
    for (let i = 0; i < total; i++) push(i % points, i);
    await setImmediate();
    const ahead = received.length;
    expect(ahead).toBeLessThanOrEqual(20 * MAX_PACKED_SAMPLES);
    outbox.acked(ahead);
    outbox.acked(received.length - ahead);
    const dropped = messages.reduce((sum, message) => sum + message.dropped, 0);
    expect(dropped).toBeGreaterThan(0);
    expect(received.length + dropped).toBe(total);
    for (let point = 0; point < points; point++) {
      const values = received.filter((sample) => sample.point === point).map(({ v }) => Number(v));
      expect(values).toEqual(values.toSorted((a, b) => a - b));
      expect(values.at(-1)).toBe(total - points + point);
    }
  });

  it('sends a batch larger than a message in several', async () => {
    const { messages, push } = channel(10_000);
    for (let i = 0; i < 10_000; i++) push(i, i);
    await setImmediate();
    expect(messages.map(({ samples }) => samples.point.length)).toEqual([4096, 4096, 1808]);
  });
});
