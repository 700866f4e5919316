import {
  InvalidInputError,
  ModbusPoint,
  ModbusType,
  NUMERIC_ENCODINGS,
  type NumericEncoding,
  PointId,
  PointNo,
  SampleBatch,
  type Value,
} from '@millwright/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { putValue, takeValue } from '../simulators/modbus/register-words.ts';
import { decodeInto, mapPoint } from './codec.ts';
import { encode } from './encode.ts';

const defaults = ModbusType.defaults.parse(undefined);
const described = (as: ModbusPoint['as'], more: Partial<ModbusPoint> = {}) =>
  ModbusPoint.parse({ at: 0, as, ...more });
const map = (as: ModbusPoint['as'], more: Partial<ModbusPoint> = {}) =>
  mapPoint(PointId.parse('p'), PointNo.parse(7), described(as, more), defaults);

function decode(point: ReturnType<typeof map>, hex: string) {
  const batch = new SampleBatch(1);
  decodeInto(batch, point, Buffer.from(hex.replaceAll(' ', ''), 'hex'), 0, 1000);
  return batch.sampleAt(0);
}

function wordsOf(point: ReturnType<typeof map>, value: Value): readonly number[] {
  const encoded = encode(point, value);
  return encoded.to === 'registers' ? encoded.words : [];
}

const hexOf = (words: Iterable<number>) =>
  [...words].map((word) => word.toString(16).padStart(4, '0')).join('');
const shuffled = (letters: string) =>
  fc.shuffledSubarray([...letters], { minLength: letters.length }).map((each) => each.join(''));

/** An order that means something for a value of this size. */
function orders(as: NumericEncoding): fc.Arbitrary<string> {
  const sizeBytes = Math.max(2, NUMERIC_ENCODINGS[as]);
  return fc.oneof(fc.constantFrom('ABCD', 'CDAB', 'BADC', 'DCBA'), shuffled('ABCDEFGH'.slice(0, sizeBytes)));
}

function values(as: NumericEncoding): fc.Arbitrary<number | bigint> {
  if (as === 'float64') return fc.double({ noNaN: true, noDefaultInfinity: true });
  if (as === 'float32') return fc.float({ noNaN: true, noDefaultInfinity: true });
  if (as === 'float16')
    return fc
      .nat(0x7bff)
      .chain((bits) => fc.constantFrom(bits, bits | 0x8000))
      .map((bits) => Number(decode(map('float16'), hexOf([bits])).v));
  const bitCount = 8 * NUMERIC_ENCODINGS[as];
  if (as === 'bcd64') return fc.bigInt({ min: 0n, max: 10n ** 16n - 1n });
  if (as.startsWith('bcd')) return fc.integer({ min: 0, max: 10 ** (bitCount / 4) - 1 });
  const min = as.startsWith('u') ? 0n : -(1n << BigInt(bitCount - 1));
  const whole = fc.bigInt({ min, max: min + (1n << BigInt(bitCount)) - 1n });
  return bitCount === 64 ? whole : whole.map(Number);
}

const numeric = Object.keys(NUMERIC_ENCODINGS) as NumericEncoding[];
const writable = numeric.filter((as) => NUMERIC_ENCODINGS[as] > 1);

describe('every encoding in every order', () => {
  it.each(numeric)('decodes the %s another encoder wrote', (as) => {
    fc.assert(
      fc.property(
        values(as),
        orders(as),
        fc.constantFrom('hi' as const, 'lo' as const),
        (value, order, byte) => {
          const more = { order, ...(NUMERIC_ENCODINGS[as] === 1 ? { byte } : {}) };
          const words = new Uint16Array(Math.ceil(NUMERIC_ENCODINGS[as] / 2));
          putValue({ point: described(as, more), width: words.length, order }, value, words);
          expect(decode(map(as, more), hexOf(words))).toMatchObject({ v: value, q: 'good' });
        },
      ),
    );
  });

  it.each(writable)('writes a %s that another decoder reads, and reads it back', (as) => {
    fc.assert(
      fc.property(values(as), orders(as), (value, order) => {
        const words = wordsOf(map(as, { order }), value);
        expect(
          takeValue({ point: described(as, { order }), width: words.length, order }, Uint16Array.from(words)),
        ).toBe(value);
        expect(decode(map(as, { order }), hexOf(words)).v).toBe(value);
      }),
    );
  });

  it('never yields a number for bits that mean none', () => {
    const bits = fc.uint8Array({ minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(bits, fc.constantFrom(...numeric), fc.constantFrom(1, 0.1, -3), (data, as, scale) => {
        const { v, q } = decode(map(as, { scale }), Buffer.from(data).toString('hex'));
        expect(q === 'good' ? Number.isFinite(Number(v)) : v === null).toBe(true);
      }),
    );
  });
});

describe('a half float', () => {
  it('is the same 65,536 times over', () => {
    for (let bits = 0; bits < 0x1_0000; bits++) {
      const { v } = decode(map('float16'), hexOf([bits]));
      if (typeof v === 'number') expect(wordsOf(map('float16'), v)).toEqual([bits]);
    }
  });

  it.each([
    ['3c00', 1],
    ['c000', -2],
    ['7bff', 65_504],
    ['0001', 2 ** -24],
    ['3555', 0.333251953125],
  ])('%s is %d', (hex, value) => {
    expect(decode(map('float16'), hex).v).toBe(value);
  });

  it('is rounded to the nearest, ties to even, and refused beyond', () => {
    expect(wordsOf(map('float16'), 2049)).toEqual([0x6800]);
    expect(wordsOf(map('float16'), 2051)).toEqual([0x6802]);
    expect(wordsOf(map('float16'), 65_519)).toEqual([0x7bff]);
    expect(wordsOf(map('float16'), 1e-9)).toEqual([0]);
    expect(() => encode(map('float16'), 65_520)).toThrow('fits float16');
  });
});

describe('binary-coded decimals', () => {
  it.each([
    ['bcd16', '1234', 1234],
    ['bcd32', '0012 3456', 123_456],
    ['bcd64', '9999 9999 9999 9999', 9_999_999_999_999_999n],
  ] as const)('%s %s', (as, hex, value) => {
    expect(decode(map(as), hex).v).toBe(value);
  });

  it('are a decode error with a digit beyond nine', () => {
    expect(decode(map('bcd16'), '12a4')).toMatchObject({ v: null, why: 'decode-error' });
    expect(decode(map('bcd64'), '0000 0000 0000 000f')).toMatchObject({ v: null, why: 'decode-error' });
  });

  it('are scaled as other numbers are', () => {
    expect(decode(map('bcd32', { scale: 0.01 }), '0012 3456').v).toBe(1234.56);
    expect(wordsOf(map('bcd32', { scale: 0.01 }), 1234.56)).toEqual([0x0012, 0x3456]);
  });
});

describe('a part of a register', () => {
  it.each([
    ['bool', { bit: 3 }, '0008', true],
    ['bool', { bit: 3 }, 'fff7', false],
    ['bool', { bit: 0, order: 'BA' }, '0100', true],
    ['uint16', { bits: [4, 7] }, '12a4', 10],
    ['int16', { bits: [4, 7] }, '12a4', -6],
    ['uint32', { bits: [8, 31] }, 'ffff ff00', 0xff_ffff],
    ['uint32', { bits: [0, 31] }, 'ffff ffff', 0xffff_ffff],
    ['int32', { bits: [31, 31] }, '8000 0000', -1],
    ['uint16', { mask: 0x0ff0, shift: 4 }, 'abcd', 0xbc],
    ['uint16', { mask: 0x00f0 }, 'abcd', 0xc0],
    ['uint32', { shift: 16 }, '8001 0000', 0x8001],
    ['uint8', { byte: 'hi' }, 'abcd', 0xab],
    ['uint8', {}, 'abcd', 0xcd],
    ['int8', { byte: 'hi', scale: 0.5 }, 'fe00', -1],
    ['uint8', { bits: [0, 3], byte: 'hi' }, 'abcd', 11],
  ] as const)('%s %o of %s is %s', (as, more, hex, value) => {
    const { bits, ...rest } = { bits: undefined, ...more };
    const field = bits === undefined ? {} : { bits: [bits[0], bits[1]] as [number, number] };
    expect(decode(map(as, { ...rest, ...field }), hex).v).toBe(value);
  });

  it('is never written: what else the register holds would be lost', () => {
    for (const point of [map('bool', { bit: 2 }), map('uint16', { bits: [0, 3] }), map('uint8')]) {
      expect(() => encode(point, 1)).toThrow('only part of a register');
    }
  });

  it('is the same as arithmetic says, whatever the bits', () => {
    const field = fc
      .tuple(fc.nat(31), fc.nat(31))
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as [number, number]);
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), field, (raw, [low, high]) => {
        const hex = raw.toString(16).padStart(8, '0');
        const unsigned = Number(BigInt.asUintN(high - low + 1, BigInt(raw) >> BigInt(low)));
        const signed = Number(BigInt.asIntN(high - low + 1, BigInt(raw) >> BigInt(low)));
        expect(decode(map('uint32', { bits: [low, high] }), hex).v).toBe(unsigned);
        expect(decode(map('int32', { bits: [low, high] }), hex).v).toBe(signed);
      }),
    );
  });
});

describe('a number that means no measurement', () => {
  it('is a sensor fault, before any scaling', () => {
    const point = map('int16', { scale: 0.1, invalid: [-0x8000, 0x7fff] });
    expect(decode(point, '8000')).toMatchObject({ v: null, q: 'bad', why: 'sensor-fault' });
    expect(decode(point, '7fff')).toMatchObject({ v: null, why: 'sensor-fault' });
    expect(decode(point, '7ffe').v).toBe(3276.6);
    expect(decode(map('uint64', { invalid: [2 ** 64] }), 'f'.repeat(16)).why).toBe('sensor-fault');
  });

  it('is never written', () => {
    expect(() => encode(map('uint16', { invalid: [0xffff] }), 0xffff)).toThrow(InvalidInputError);
  });
});

describe('a text', () => {
  const hex = Buffer.from('  ab \0x').toString('hex').padEnd(16, '0');

  it.each([
    [undefined, '  ab'],
    ['both', 'ab'],
    ['none', '  ab '],
  ] as const)('trimmed %s is "%s"', (trim, text) => {
    expect(decode(map('text', { length: 4, ...(trim === undefined ? {} : { trim }) }), hex).v).toBe(text);
  });

  it('is read and written in Latin-1 where the device has nothing else', () => {
    const point = map('text', { length: 2, charset: 'latin1', order: 'BADC' });
    expect(decode(point, 'b041 0043')).toMatchObject({ v: 'A°C' });
    expect(hexOf(wordsOf(point, 'A°C'))).toBe('b0410043');
    expect(() => encode(point, '€')).toThrow('Latin-1');
  });

  it('comes back as it was written, in every order', () => {
    const order = fc.constantFrom('ABCD', 'CDAB', 'BADC', 'DCBA', 'AB', 'BA');
    fc.assert(
      fc.property(fc.stringMatching(/^[!-~äöß]{0,8}$/), order, (text, ordered) => {
        const point = map('text', { length: 12, order: ordered });
        expect(decode(point, hexOf(wordsOf(point, text))).v).toBe(text);
      }),
    );
  });
});
