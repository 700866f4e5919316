import ucum from '@lhncbc/ucum-lhc';
import { describe, expect, it } from 'vitest';
import { convertUnit, EVERYDAY_UNITS, UnitCode } from './unit.ts';

describe('a unit', () => {
  it.each([
    'V',
    'A',
    'W',
    'kW',
    'kW.h',
    'V.A',
    'Hz',
    'Cel',
    'K',
    '[degF]',
    '%',
    'm3/h',
    'L/min',
    'bar',
    'mm/s',
    '/min',
    '1',
    'By',
  ])('may be UCUM code %s', (code) => {
    expect(UnitCode.parse(code)).toBe(code);
  });

  it.each(EVERYDAY_UNITS)('taken without asking, %s, is one the library knows', (code) => {
    expect(ucum.UcumLhcUtils.getInstance().validateUnitString(code).status).toBe('valid');
  });

  it.each(['', 'kWh', '°C', 'rpm!', 'foo', ' V', 'V/', 5, 'x'.repeat(65)])('may not be %j', (code) => {
    expect(UnitCode.safeParse(code).success).toBe(false);
  });

  it.each([
    ['kWh', 'kW.h'],
    ['°C', 'Cel'],
    ['rpm', '/min'],
  ])('written %s as people do is answered with %s', (written, code) => {
    expect(UnitCode.safeParse(written).error?.issues[0]?.message).toBe(
      `"${written}" is not a UCUM unit; did you mean "${code}"?`,
    );
  });
});

describe('a conversion', () => {
  it.each([
    [1, 'kW.h', 'W.h', 1000],
    [25, 'Cel', 'K', 298.15],
    [212, '[degF]', 'Cel', 100],
    [36, 'km/h', 'm/s', 10],
  ])('of %d %s to %s is %d', (value, from, to, expected) => {
    expect(convertUnit(value, from, to)).toBeCloseTo(expected, 9);
  });

  it('leaves a value alone when the unit stays', () => {
    expect(convertUnit(0.1 + 0.2, 'foo', 'foo')).toBe(0.1 + 0.2);
  });

  it('between units of different things is null', () => {
    expect(convertUnit(1, 'V', 'A')).toBeNull();
  });
});
