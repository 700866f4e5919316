import {
  InvalidInputError,
  ModbusPoint,
  ModbusType,
  PointId,
  PointNo,
  SampleBatch,
  type Value,
} from '@millwright/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeInto, mapPoint } from './codec.ts';
import { encode } from './encode.ts';

const defaults = ModbusType.defaults.parse(undefined);
const map = (as: ModbusPoint['as'], more: Partial<ModbusPoint> = {}) =>
  mapPoint(PointId.parse('p'), PointNo.parse(7), ModbusPoint.parse({ at: 10, as, ...more }), defaults);
type Point = ReturnType<typeof map>;

function decode(point: Point, hex: string, start = 10) {
  const batch = new SampleBatch(1);
  decodeInto(batch, point, Buffer.from(hex.replaceAll(' ', ''), 'hex'), start, 1000);
  return batch.sampleAt(0);
}

function toHex(point: Point, value: Value): string {
  const encoded = encode(point, value);
  if (encoded.to === 'coil') return String(encoded.on);
  return encoded.words.map((word) => word.toString(16).padStart(4, '0')).join(' ');
}

describe('register encodings', () => {
  it.each([
    ['int16', 'fffe', -2],
    ['uint16', 'fffe', 65534],
    ['int32', 'fffe 0001', -131071],
    ['uint32', 'fffe 0001', 4294836225],
    ['float32', '4148 0000', 12.5],
    ['float64', '4029 0000 0000 0000', 12.5],
    ['int64', 'ffff ffff ffff fffe', -2n],
    ['uint64', 'ffff ffff ffff fffe', 18446744073709551614n],
    ['bool', '0001', true],
    ['bool', '0000', false],
    ['bool', 'ff00', true],
  ] as const)('decodes %s %s', (as, hex, v) => {
    expect(decode(map(as), hex)).toEqual({ point: 7, v, q: 'good', tSource: 1000, tGateway: 1000 });
  });

  it.each([
    ['ABCD', '0102 0304', '0102 0304 0506 0708', '0102'],
    ['CDAB', '0304 0102', '0708 0506 0304 0102', '0102'],
    ['BADC', '0201 0403', '0201 0403 0605 0807', '0201'],
    ['DCBA', '0403 0201', '0807 0605 0403 0201', '0201'],
  ] as const)('reads and writes the order %s', (order, two, four, one) => {
    expect(decode(map('uint16', { order }), one).v).toBe(0x0102);
    expect(decode(map('uint32', { order }), two).v).toBe(0x01020304);
    expect(decode(map('uint64', { order }), four).v).toBe(0x0102030405060708n);
    expect(toHex(map('uint16', { order }), 0x0102)).toBe(one);
    expect(toHex(map('uint32', { order }), 0x01020304)).toBe(two);
    expect(toHex(map('uint64', { order }), 0x0102030405060708n)).toBe(four);
  });

  it('finds a point inside a merged answer', () => {
    expect(decode(map('uint16'), '0000 0000 0000 00aa', 7).v).toBe(0xaa);
    expect(decode(map('bool', { table: 'coil' }), '0004', 0).v).toBe(true);
    expect(decode(map('bool', { table: 'coil' }), '0400', 0).v).toBe(false);
  });

  it('decodes bits least significant first', () => {
    const bit = (at: number) => decode(map('bool', { table: 'discrete', at }), '05 80', 10).v;
    expect([10, 11, 12, 13, 25].map(bit)).toEqual([true, false, true, false, true]);
  });

  it('gives the decimal the device meant when scaled by a power of ten', () => {
    for (let raw = 0; raw < 5000; raw++) {
      const hex = raw.toString(16).padStart(4, '0');
      expect(decode(map('uint16', { scale: 0.1 }), hex).v).toBe(Number(`${raw}e-1`));
      expect(decode(map('uint16', { scale: 0.001 }), hex).v).toBe(Number(`${raw}e-3`));
    }
  });

  it('scales, then adds the offset', () => {
    expect(decode(map('int16', { scale: 0.5, offset: -40 }), '0064').v).toBe(10);
    expect(decode(map('int16', { scale: -2 }), '0003').v).toBe(-6);
    expect(decode(map('uint16', { offset: 5 }), '0003').v).toBe(8);
  });

  it('turns a scaled 64-bit integer into a number', () => {
    expect(decode(map('uint64', { scale: 0.001 }), '0000 0000 0001 e240').v).toBe(123.456);
    expect(decode(map('int64', { scale: 10 }), 'ffff ffff ffff fffe').v).toBe(-20);
  });

  it.each([
    ['float32', '7fc0 0000', 'sensor-fault'],
    ['float64', '7ff8 0000 0000 0000', 'sensor-fault'],
    ['float32', '7f80 0000', 'out-of-range'],
    ['float32', 'ff80 0000', 'out-of-range'],
  ] as const)('never passes on the %s %s as a value', (as, hex, why) => {
    expect(decode(map(as), hex)).toMatchObject({ v: null, q: 'bad', why });
  });

  it('reads a text up to its padding, in either byte order', () => {
    const hex = Buffer.from('pump-ä  \0\0').toString('hex');
    expect(decode(map('text', { length: 6 }), hex.padEnd(24, '0')).v).toBe('pump-ä');
    expect(decode(map('text', { length: 2, order: 'DCBA' }), '6261 6463').v).toBe('abcd');
  });

  it('reports a text that is no UTF-8 as a decode error', () => {
    expect(decode(map('text', { length: 1 }), 'ff41')).toMatchObject({
      v: null,
      q: 'bad',
      why: 'decode-error',
    });
  });
});

describe('writing', () => {
  it.each([
    [map('int16'), -2, 'fffe'],
    [map('uint16', { scale: 0.1 }), 20.04, '00c8'],
    [map('int16', { scale: 0.5, offset: -40 }), 10, '0064'],
    [map('float32'), 12.5, '4148 0000'],
    [map('uint64'), 5, '0000 0000 0000 0005'],
    [map('bool'), true, '0001'],
    [map('bool', { table: 'coil' }), true, 'true'],
    [map('bool', { table: 'coil' }), 0, 'false'],
    [map('text', { length: 3 }), 'abc', '6162 6300 0000'],
  ] as const)('%# encodes the value', (point, value, hex) => {
    expect(toHex(point, value)).toBe(hex);
  });

  it.each([
    [map('uint16'), -1, '-1 is not 0 to 65535'],
    [map('uint16'), 65536, 'is not 0 to 65535'],
    [map('uint16'), 1.5, '1.5 is not a whole number'],
    [map('uint16', { scale: 0.1 }), 6553.6, 'fits uint16 after scaling'],
    [map('int64'), 2n ** 63n, 'is not -9223372036854775808 to 9223372036854775807'],
    [map('float32'), 1e39, 'fits float32'],
    [map('float64'), Number.NaN, 'NaN is not a number'],
    [map('int16', { scale: 2 }), Number.POSITIVE_INFINITY, 'Infinity is not a whole number'],
    [map('bool'), 2, '2 is not true or false'],
    [map('bool'), null, 'null is not true or false'],
    [map('int16'), 'x', '"x" is not a number'],
    [map('int16'), null, 'null is not a number'],
    [map('text', { length: 1 }), 'abc', 'at most 2 bytes'],
    [map('text', { length: 1 }), 5, '5 is not a text'],
  ] as const)('%# refuses what the registers cannot hold', (point, value, message) => {
    expect(() => encode(point, value)).toThrow(InvalidInputError);
    expect(() => encode(point, value)).toThrow(message);
  });

  it('reads back what it wrote, for every encoding and order', () => {
    const order = fc.constantFrom('ABCD', 'CDAB', 'BADC', 'DCBA' as const);
    const integer = (as: ModbusPoint['as'], min: number, max: number) =>
      fc.tuple(fc.constant(as), fc.integer({ min, max }));
    const value = fc.oneof(
      integer('int16', -0x8000, 0x7fff),
      integer('uint16', 0, 0xffff),
      integer('int32', -0x80000000, 0x7fffffff),
      integer('uint32', 0, 0xffffffff),
      fc.tuple(fc.constant('int64' as const), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      fc.tuple(fc.constant('uint64' as const), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
      fc.tuple(fc.constant('float32' as const), fc.float({ noNaN: true, noDefaultInfinity: true })),
      fc.tuple(fc.constant('float64' as const), fc.double({ noNaN: true, noDefaultInfinity: true })),
      fc.tuple(fc.constant('bool' as const), fc.boolean()),
    );
    fc.assert(
      fc.property(value, order, ([as, v], ordered) => {
        const point = map(as, { order: ordered });
        expect(decode(point, toHex(point, v)).v).toBe(v);
      }),
    );
  });
});
