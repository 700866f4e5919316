import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bad, GOOD, type QualityByte, qualityByte } from '../samples/quality.ts';
import type { Value } from '../samples/value.ts';
import { Expression, ExpressionError, type ExpressionInputs, isExpressionName } from './index.ts';

type Reading = Value | { readonly v: Value; readonly q?: QualityByte; readonly ageMs?: number };

const inputs = { p: 'number', t: 'number', on: 'bool', mode: 'text' } as const;
const NAMES = Object.keys(inputs);

function reading(values: Readonly<Record<string, Reading>>): ExpressionInputs {
  const at = (input: number) => {
    const value = values[NAMES[input] ?? ''];
    if (value === undefined) return { v: null, q: bad('not-yet-read') };
    return typeof value === 'object' && value !== null ? value : { v: value };
  };
  return {
    value: (input) => at(input).v,
    quality: (input) => at(input).q ?? GOOD,
    ageMs: (input) => at(input).ageMs ?? 0,
  };
}

const condition = (text: string) => Expression.compile(text, { inputs, result: 'bool' });
const number = (text: string) => Expression.compile(text, { inputs, result: 'number' });

function errorOf(compile: () => unknown): ExpressionError {
  try {
    compile();
  } catch (error) {
    if (error instanceof ExpressionError) return error;
  }
  throw new Error('it was accepted');
}

describe('an expression over points', () => {
  it.each<[text: string, values: Record<string, Reading>, value: Value]>([
    ['p > 3', { p: 4 }, true],
    ['on == true && mode == "auto"', { on: true, mode: 'auto' }, true],
    ['mode in ["auto", "remote"]', { mode: 'hand' }, false],
    ['quality.p == "bad"', { p: { v: null, q: bad('timeout') } }, true],
    ['age.p > 60.0', { p: { v: 1, ageMs: 61_000 } }, true],
    ['p == 3', { p: 3 }, true],
    ['p > 9007199254740000', { p: 9_007_199_254_740_001n }, true],
  ])('%s', (text, values, value) => {
    expect(condition(text).evaluate(reading(values))).toEqual({ value, quality: 'good', why: undefined });
  });

  it.each<[text: string, value: number]>([
    ['p * 2 + 1', 9],
    ['1 + p / 2', 3],
    ['(5 - p) * 10', 10],
    ['max(abs(-3), p)', 4],
    ['pow(p, 2) - t', 6],
    ['on ? p : t', 4],
    ['7', 7],
  ])('computes %s', (text, value) => {
    expect(number(text).evaluate(reading({ p: 4, t: 10, on: true })).value).toBe(value);
  });

  it('agrees with arithmetic for all numbers', () => {
    const sum = number('p * 2 - t / 4 + 1');
    const finite = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e100, max: 1e100 });
    fc.assert(
      fc.property(finite, finite, (p, t) => {
        expect(sum.evaluate(reading({ p, t })).value).toBe(p * 2 - t / 4 + 1);
      }),
    );
  });
});

describe('an input that cannot be trusted', () => {
  it.each<[what: string, p: Reading, why: string]>([
    ['bad', { v: 4, q: bad('timeout') }, 'p is bad: timeout'],
    ['missing', null, 'p has no value'],
    ['of another type', 'four', 'p is not a number'],
  ])('makes the result bad when it is %s', (_, p, why) => {
    expect(condition('p > 3').evaluate(reading({ p }))).toEqual({ value: null, quality: 'bad', why });
  });

  it('makes the result uncertain when it is uncertain', () => {
    const p = { v: 4, q: qualityByte('uncertain', 'stale') };
    expect(condition('p > 3').evaluate(reading({ p }))).toMatchObject({ value: true, quality: 'uncertain' });
  });

  it('does no harm where the result does not rest on it', () => {
    const p = { v: null, q: bad('timeout') };
    expect(condition('p > 3 || on').evaluate(reading({ p, on: true })).value).toBe(true);
    expect(condition('on && p > 3').evaluate(reading({ p, on: false })).value).toBe(false);
    expect(condition('p > 3 && on').evaluate(reading({ p, on: true })).quality).toBe('bad');
  });

  it('leaves nothing behind for the next time', () => {
    const expression = condition('p > 3');
    expect(expression.evaluate(reading({ p: null })).quality).toBe('bad');
    expect(expression.evaluate(reading({ p: 4 }))).toEqual({ value: true, quality: 'good', why: undefined });
  });

  it('is not hidden by a result that is no number', () => {
    expect(number('p / 0').evaluate(reading({ p: 1 }))).toMatchObject({ quality: 'bad', value: null });
    expect(number('1 / 0').evaluate(reading({}))).toMatchObject({ quality: 'bad', why: 'division by zero' });
    expect(number('sqrt(p)').evaluate(reading({ p: -1 })).why).toBe('the result is NaN');
  });
});

describe('an expression that cannot be right', () => {
  it.each<[text: string, message: string, offset: number]>([
    ['on && pp > 3', 'does not know "pp"; did you mean "p"?', 6],
    ['p >', 'unexpected token: EOF', 3],
    ['on + 1 > 2', 'no such overload: bool + int', 0],
    ['p + 1', 'yields a number, but must yield true or false', 0],
    ['mode', 'yields text, but must yield true or false', 0],
    ['quality.q == "bad"', 'no such', 0],
    ['', 'unexpected token: EOF', 0],
    [`p > ${'1 + '.repeat(500)}1`, 'is longer than 2000 characters', 2000],
    [`${'('.repeat(80)}p${')'.repeat(80)} > 1`, 'exceeded', 0],
  ])('is refused, with the place: %s', (text, message, offset) => {
    const error = errorOf(() => condition(text));
    expect(error.message).toContain(message);
    expect(error.offset).toBeGreaterThanOrEqual(offset);
  });

  it('is refused by a name that means something else', () => {
    const error = errorOf(() => Expression.compile('in > 3', { inputs: { in: 'number' }, result: 'bool' }));
    expect(error.message).toContain('cannot use "in"');
    expect(['p', 'voltage_l1', 'in', 'quality', 'name.0', '3p'].filter(isExpressionName)).toEqual([
      'p',
      'voltage_l1',
    ]);
  });

  it('never throws anything else, whatever its text', () => {
    const word = fc.constantFrom(
      'p',
      'on',
      'mode',
      '(',
      ')',
      '&&',
      '+',
      '"x"',
      '3',
      '.',
      '[',
      ']',
      '?',
      ':',
      'in',
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (words) => {
        const result = attempt(() =>
          condition(words.join(' ')).evaluate(reading({ p: 1, on: true, mode: 'x' })),
        );
        expect(result).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

it('names what it reads, by value or by quality', () => {
  expect(condition('p > 3 && quality.t == "good" && [1, 2].exists(x, x == 2)').reads).toEqual(['p', 't']);
});

/** @returns true when it works or is refused as it should be */
function attempt(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch (error) {
    return error instanceof ExpressionError;
  }
}
