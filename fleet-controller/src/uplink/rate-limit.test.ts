import { MemoryClock } from '@millwright/protocol/testing';
import { expect, test } from 'vitest';
import { RateLimit } from './rate-limit.ts';

test('a key is allowed so many times within the period, others are not touched', async () => {
  const clock = new MemoryClock();
  const limit = new RateLimit({ clock }, { count: 3, perMs: 1000 });
  expect([1, 2, 3, 4].map(() => limit.allows('a'))).toEqual([true, true, true, false]);
  expect(limit.allows('b')).toBe(true);
  await clock.advance(1000);
  expect(limit.allows('a'), 'the window slides').toBe(false);
  await clock.advance(1000);
  expect(limit.allows('a')).toBe(true);
});

test('a flood of keys is refused rather than remembered', () => {
  const limit = new RateLimit({ clock: new MemoryClock() }, { count: 3, perMs: 1000 });
  for (let key = 0; key < 10_000; key++) expect(limit.allows(`${key}`)).toBe(true);
  expect(limit.allows('one more')).toBe(false);
  expect(limit.allows('5'), 'known keys go on').toBe(true);
});
