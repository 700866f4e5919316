import { expect, test } from 'vitest';
import { Backoff } from './backoff.ts';

const latest = () => 1 - Number.EPSILON;

test('waits double up to half a minute', () => {
  const backoff = new Backoff({ random: latest });
  const waits = Array.from({ length: 9 }, () => Math.round(backoff.next()));
  expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test('a wait is anywhere between nothing and its bound', () => {
  const backoff = new Backoff({ random: () => 0.25 });
  expect(backoff.next()).toBe(125);
  expect(backoff.next()).toBe(250);
});

test('a connection that carried something shortens the next wait, one that lasted more', () => {
  const backoff = new Backoff({ random: latest });
  for (let attempt = 0; attempt < 20; attempt++) backoff.next();
  backoff.progressed();
  expect(Math.round(backoff.next())).toBe(4000);
  expect(Math.round(backoff.next())).toBe(8000);
  backoff.reset();
  expect(Math.round(backoff.next())).toBe(500);
});
