import { describe, expect, it } from 'vitest';
import { DurationMs } from './duration.ts';

describe('a duration', () => {
  it.each([
    ['0s', 0],
    ['500ms', 500],
    ['5s', 5000],
    ['1.5s', 1500],
    ['10m', 600_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
  ])('written %s is %d ms', (text, durationMs) => {
    expect(DurationMs.parse(text)).toBe(durationMs);
  });

  it.each([
    '',
    '5',
    's',
    '5 s',
    '-5s',
    '+5s',
    '5S',
    '5sec',
    '1e3ms',
    '.5s',
    '5.s',
    '1h30m',
    '5w',
    '∞',
    '5s\n',
    5,
    null,
  ])('is not %j', (value) => {
    expect(DurationMs.safeParse(value).success).toBe(false);
  });
});
