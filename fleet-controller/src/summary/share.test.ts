import { expect, test } from 'vitest';
import { isShared } from './share.ts';

test.each([
  ['*.energy', 'energy', true],
  ['*.energy', 'energy.total', false],
  ['*.energy*', 'energy.total', true],
  ['dev_hall.*.energy', 'energy', true],
  ['dev_north.*', 'energy', false],
  ['*meter*al', 'energy.total', true],
  ['dev_hall.meter-1.energy', 'energy', true],
  ['*', 'anything', true],
  ['*y*y', 'energy', false],
  ['energy', 'energy', false],
])('the pattern %s lets out the point %s of dev_hall.meter-1: %s', (pattern, point, isOut) => {
  expect(isShared({ latest: false, rollups: [pattern] }, 'dev_hall.meter-1', point)).toBe(isOut);
});

test('without a pattern nothing is let out', () => {
  expect(isShared({ latest: false, rollups: [] }, 'dev_hall.meter-1', 'energy')).toBe(false);
});
