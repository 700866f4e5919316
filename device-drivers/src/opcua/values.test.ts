import { InvalidInputError, PointNo, SampleBatch, type Value } from '@millwright/protocol';
import { describe, expect, it } from 'vitest';
import type { MonitoredPoint } from './messages.ts';
import { BuiltIn, checkDeclared, encode, isConcrete, pushValue } from './values.ts';

const NOW = 5000;

function decode(as: MonitoredPoint['as'], dataType: number, value: unknown, more: object = {}) {
  const batch = new SampleBatch(1);
  const point = { no: PointNo.parse(4), node: 'ns=1;s=x', as, publishMs: 100, queue: 1 };
  pushValue(
    batch,
    point,
    {
      value: { dataType, arrayType: 0, value },
      statusCode: { value: 0 },
      sourceTimestamp: new Date(3000),
      serverTimestamp: new Date(4000),
      ...more,
    },
    NOW,
  );
  return batch.sampleAt(0);
}

describe('a received value', () => {
  it.each([
    ['float64', BuiltIn.Double, 1.5, 1.5],
    ['float64', BuiltIn.Int32, -7, -7],
    ['float64', BuiltIn.UInt64, [1, 2], 4294967298],
    ['int64', BuiltIn.Int64, [0xffffffff, 0xfffffffb], -5n],
    ['int64', BuiltIn.UInt16, 9, 9n],
    ['uint64', BuiltIn.UInt64, [0xffffffff, 0xffffffff], 18446744073709551615n],
    ['bool', BuiltIn.Boolean, true, true],
    ['text', BuiltIn.String, 'läuft', 'läuft'],
    ['text', BuiltIn.LocalizedText, { locale: 'de', text: 'läuft' }, 'läuft'],
    ['text', BuiltIn.DateTime, new Date(0), '1970-01-01T00:00:00.000Z'],
  ] as const)('as %s of type %i is decoded', (as, dataType, value, v) => {
    expect(decode(as, dataType, value)).toEqual({ point: 4, v, q: 'good', tSource: 3000, tGateway: NOW });
  });

  it.each([
    ['float64', BuiltIn.String, '1.5'],
    ['float64', BuiltIn.Boolean, true],
    ['int64', BuiltIn.Double, 1.5],
    ['int64', BuiltIn.UInt64, [0x80000000, 0]],
    ['uint64', BuiltIn.Int32, -1],
    ['bool', BuiltIn.Byte, 1],
    ['text', BuiltIn.Double, 1],
    ['text', BuiltIn.String, null],
    ['float64', BuiltIn.Double, null],
  ] as const)('as %s of type %i that does not fit is bad', (as, dataType, value) => {
    expect(decode(as, dataType, value)).toMatchObject({ v: null, q: 'bad', why: 'decode-error' });
  });

  it('that is an array is bad', () => {
    const array = { value: { dataType: BuiltIn.Double, arrayType: 1, value: [1, 2] } };
    expect(decode('float64', 0, 0, array)).toMatchObject({ v: null, why: 'decode-error' });
  });

  it('that is no number or beyond all numbers is bad', () => {
    expect(decode('float64', BuiltIn.Double, Number.NaN)).toMatchObject({ v: null, why: 'sensor-fault' });
    expect(decode('float64', BuiltIn.Float, -Infinity)).toMatchObject({ v: null, why: 'out-of-range' });
  });

  it('keeps its value when uncertain and loses it when bad', () => {
    const uncertain = { statusCode: { value: 0x40900000 } };
    expect(decode('float64', BuiltIn.Double, 2, uncertain)).toMatchObject({
      v: 2,
      q: 'uncertain',
      why: 'stale',
    });
    const failed = { statusCode: { value: 0x808c0000 } };
    expect(decode('float64', BuiltIn.Double, 2, failed)).toMatchObject({
      v: null,
      q: 'bad',
      why: 'sensor-fault',
    });
  });

  it('has the source’s time, else the server’s, else ours', () => {
    expect(decode('bool', BuiltIn.Boolean, true, { sourceTimestamp: null }).tSource).toBe(4000);
    const none = { sourceTimestamp: null, serverTimestamp: null };
    expect(decode('bool', BuiltIn.Boolean, true, none).tSource).toBe(NOW);
  });
});

describe('writing', () => {
  it.each([
    [BuiltIn.Boolean, true, true],
    [BuiltIn.String, 'x', 'x'],
    [BuiltIn.Double, 1.25, 1.25],
    [BuiltIn.Float, 3n, 3],
    [BuiltIn.SByte, -128, -128],
    [BuiltIn.UInt32, 4294967295, 4294967295],
    [BuiltIn.Int64, -5, [0xffffffff, 0xfffffffb]],
    [BuiltIn.UInt64, 18446744073709551615n, [0xffffffff, 0xffffffff]],
  ])('type %i takes %s', (dataType, value, written) => {
    expect(encode(dataType, value)).toEqual({ dataType, arrayType: 0, value: written });
  });

  it.each([
    [BuiltIn.Byte, 256],
    [BuiltIn.Byte, -1],
    [BuiltIn.Int16, 1.5],
    [BuiltIn.Int64, 2n ** 63n],
    [BuiltIn.Float, 1e39],
    [BuiltIn.Boolean, 1],
    [BuiltIn.String, 1],
    [BuiltIn.Double, 'x'],
    [BuiltIn.DateTime, 1],
  ])('type %i refuses %s', (dataType, value) => {
    expect(() => encode(dataType, value)).toThrow(InvalidInputError);
  });

  it.each<[MonitoredPoint['as'], Value, boolean]>([
    ['float64', 1.5, true],
    ['float64', Number.NaN, false],
    ['float64', 'x', false],
    ['float64', null, false],
    ['int64', 1.5, false],
    ['int64', 5n, true],
    ['uint64', 5, true],
    ['bool', 1, false],
    ['bool', false, true],
    ['text', 'x', true],
    ['text', 1, false],
  ])('a point that is %s and the value %s', (as, value, fits) => {
    const check = () => checkDeclared('p', as, value);
    if (fits) expect(check).not.toThrow();
    else expect(check).toThrow(InvalidInputError);
  });

  it('knows families of types from types', () => {
    expect([BuiltIn.Boolean, BuiltIn.String].every(isConcrete)).toBe(true);
    expect([0, 24, 26].some(isConcrete)).toBe(false);
  });
});
