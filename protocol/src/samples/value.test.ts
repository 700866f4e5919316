import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Kind, toJsonValue } from './value.ts';

describe('a value in JSON', () => {
  it.each([
    [1.5, 1.5],
    [true, true],
    ['on', 'on'],
    [null, null],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
    [Number.NEGATIVE_INFINITY, '-Infinity'],
    [5n, 5],
    [2n ** 53n - 1n, Number.MAX_SAFE_INTEGER],
    [2n ** 53n, '9007199254740992'],
    [-(2n ** 63n), '-9223372036854775808'],
    [2n ** 64n - 1n, '18446744073709551615'],
  ])('%s is %s', (value, json) => {
    expect(toJsonValue(value)).toBe(json);
  });

  it('never loses a 64-bit integer', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), (value) => {
        expect(BigInt(JSON.parse(JSON.stringify(toJsonValue(value))))).toBe(value);
      }),
    );
  });
});

describe('a kind', () => {
  it('has its number on wire and disk', () => {
    expect(Kind).toEqual({ null: 0, float64: 1, int64: 2, uint64: 3, bool: 4, text: 5 });
  });
});
