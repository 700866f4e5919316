import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { presentationOf, presented, valueOfLabel } from './presentation.ts';
import { unitConversion } from './unit.ts';

describe('a unit to show values in', () => {
  it.each([
    ['Cel', 'degF', 1.8, 32],
    ['Cel', '°F', 1.8, 32],
    ['Cel', 'K', 1, 273.15],
    ['bar', 'psi', 14.50377377302, 0],
    ['m3/h', 'L/min', 16.66666666667, 0],
    ['kW.h', 'MWh', 0.001, 0],
  ])('%s as %s', (from, to, factor, offset) => {
    const found = unitConversion(from, to);
    expect(found?.factor).toBeCloseTo(factor, 6);
    expect(found?.offset).toBeCloseTo(offset, 6);
  });

  it.each([
    ['Cel', 'kW'],
    ['kW', 'nonsense'],
  ])('refuses %s as %s', (from, to) => {
    expect(unitConversion(from, to)).toBeNull();
  });

  it('converts without the noise of binary fractions', () => {
    const celsius = presentationOf({ unit: 'Cel', display: 'degF' });
    expect(celsius.display).toEqual({ unit: 'degF', factor: 1.8, offset: 32 });
    expect([0, 21.5, -40, 100].map((value) => presented(value, celsius).value)).toEqual([32, 70.7, -40, 212]);
    expect(presented(5400, presentationOf({ unit: 's', display: 'h' })).value).toBe(1.5);
    expect(presented(5n, celsius).value).toBe(41);
    expect(presented(null, celsius).value).toBeNull();
    expect(presented(true, celsius).value).toBe(true);
  });

  it('keeps the order of values', () => {
    const psi = presentationOf({ unit: 'bar', display: 'psi' });
    const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(value, value, (a, b) => {
        const [x, y] = [presented(a, psi).value, presented(b, psi).value];
        if (a - b > 1e-3) expect(Number(x)).toBeGreaterThan(Number(y));
      }),
    );
  });
});

describe('labels of values', () => {
  it('stand for whole numbers of any kind, and for true and false', () => {
    const mode = presentationOf({ enum: { 0: 'off', 1: 'running', '-1': 'fault' } });
    expect([0, 1n, -1, 2, null].map((value) => presented(value, mode).label)).toEqual([
      'off',
      'running',
      'fault',
      undefined,
      undefined,
    ]);
    expect(valueOfLabel('fault', mode)).toBe(-1);
    expect(valueOfLabel('faulty', mode)).toBeUndefined();
    const door = presentationOf({ enum: { false: 'closed', true: 'open' } });
    expect(presented(true, door).label).toBe('open');
    expect(valueOfLabel('closed', door)).toBe(false);
  });
});
