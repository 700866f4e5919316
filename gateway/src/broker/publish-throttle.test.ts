import { MemoryClock } from '@millwright/protocol/testing';
import { expect, it } from 'vitest';
import { PublishThrottle } from './publish-throttle.ts';

function world(config: { messages?: number; bytes?: number; floodMs?: number }) {
  const clock = new MemoryClock();
  const passed: number[] = [];
  let floods = 0;
  const throttle = new PublishThrottle(
    { clock, onFlood: () => floods++ },
    {
      messagesPerSecond: config.messages ?? 1000,
      bytesPerSecond: config.bytes ?? 1_000_000,
      floodMs: config.floodMs ?? 5000,
    },
  );
  const send = (count: number, bytes = 1) => {
    for (let no = 0; no < count; no++) throttle.pass(bytes, () => passed.push(passed.length));
  };
  return { clock, throttle, send, passed: () => passed.length, floods: () => floods };
}

it('lets a burst through and the rest at the rate of messages', async () => {
  const { clock, send, passed } = world({ messages: 10 });
  send(30);
  expect(passed()).toBe(10);
  await clock.advance(1000);
  expect(passed()).toBe(20);
  await clock.advance(1000);
  expect(passed()).toBe(30);
});

it('holds the rate of bytes with few and large messages too', async () => {
  const { clock, send, passed } = world({ bytes: 1000 });
  send(6, 500);
  expect(passed()).toBe(2);
  await clock.advance(1000);
  expect(passed()).toBe(4);
});

it('lets a message through that is larger than a second may be, after a second', async () => {
  const { clock, send, passed } = world({ bytes: 1000 });
  send(2, 5000);
  expect(passed()).toBe(1);
  await clock.advance(1000);
  expect(passed()).toBe(2);
});

it('calls it a flood when a client stays at its limit without a pause, and drops what waits', async () => {
  const { clock, send, passed, floods } = world({ messages: 10, floodMs: 3000 });
  for (let second = 0; second < 2; second++) {
    send(40);
    await clock.advance(1000);
  }
  expect(floods()).toBe(0);
  await clock.advance(1000);
  expect(floods()).toBe(1);
  const before = passed();
  send(20);
  await clock.advance(10_000);
  expect([passed(), floods()]).toEqual([before, 1]);
});

it('forgives a client that paused', async () => {
  const { clock, send, floods } = world({ messages: 10, floodMs: 3000 });
  for (let turn = 0; turn < 10; turn++) {
    send(15);
    await clock.advance(2000);
  }
  expect(floods()).toBe(0);
});
