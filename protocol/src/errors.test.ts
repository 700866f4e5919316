import { describe, expect, it } from 'vitest';
import {
  describeError,
  InvalidInputError,
  LimitError,
  MillwrightError,
  UnauthorizedError,
  UnavailableError,
} from './errors.ts';

describe('an error', () => {
  it.each([
    [InvalidInputError, 'never'],
    [UnavailableError, 'backoff'],
    [LimitError, 'never'],
    [UnauthorizedError, 'reauth'],
  ] as const)('%o says what the caller may do', (Kind, retry) => {
    const error = new Kind('CODE', 'what happened');
    expect(error).toBeInstanceOf(MillwrightError);
    expect(error).toMatchObject({ name: Kind.name, code: 'CODE', message: 'what happened', retry });
  });

  it('may say otherwise', () => {
    expect(new LimitError('FULL', 'full', { retry: 'backoff' }).retry).toBe('backoff');
    expect(new UnavailableError('GONE', 'gone', { retry: 'never' }).retry).toBe('never');
  });

  it('keeps its cause, and has none when it was given none', () => {
    const cause = new TypeError('inner');
    expect(new UnavailableError('CODE', 'outer', { cause }).cause).toBe(cause);
    expect(Object.hasOwn(new UnavailableError('CODE', 'outer'), 'cause')).toBe(false);
  });

  it('without an own retry is not made one by an undefined option', () => {
    expect(new UnavailableError('CODE', 'x', { hint: 'look' })).toMatchObject({
      retry: 'backoff',
      hint: 'look',
    });
  });
});

describe('the line for a person', () => {
  it('has the hint behind the message', () => {
    expect(
      describeError(new InvalidInputError('CODE', 'port 80 is in use', { hint: 'use --port-base' })),
    ).toBe('port 80 is in use (use --port-base)');
  });

  it('exists for whatever was thrown', () => {
    expect([describeError(new Error('plain')), describeError('text'), describeError(undefined)]).toEqual([
      'plain',
      'text',
      'undefined',
    ]);
  });
});
