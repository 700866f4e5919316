import { InvalidInputError } from '@millwright/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataType, type DataTypeName } from './datatypes.ts';
import { decodePayload, encodePayload, metricValue } from './payload.ts';

const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));

function through(type: DataTypeName, value: number | bigint | string | boolean | null) {
  const [metric] = decodePayload(encodePayload({ metrics: [{ name: 'x', type, value }] })).metrics;
  return metric && metricValue(metric, type);
}

describe('a Sparkplug payload', () => {
  it('is the bytes that the specification’s definition gives', () => {
    // timestamp 1, one metric {name "a", alias 7, timestamp 2, datatype Int8, int_value 2^32−1}, seq 3
    const bytes = encodePayload({
      timestampMs: 1,
      seq: 3,
      metrics: [{ name: 'a', alias: 7, timestampMs: 2, type: 'Int8', value: -1 }],
    });
    expect(Buffer.from(bytes).toString('hex')).toBe('0801120f0a0161100718022001' + '50ffffffff0f' + '1803');
  });

  it.each<[DataTypeName, number | bigint | string | boolean]>([
    ['Int8', -128],
    ['Int16', -32768],
    ['Int32', -2147483648],
    ['UInt8', 255],
    ['UInt16', 65535],
    ['UInt32', 4294967295],
    ['Int64', -9223372036854775808n],
    ['UInt64', 18446744073709551615n],
    ['DateTime', 1_700_000_000_000n],
    ['Float', 0.5],
    ['Double', Number.MIN_VALUE],
    ['Boolean', false],
    ['String', 'Grüße 🚀'],
    ['Text', ''],
    ['UUID', '2f0a…'],
  ])('carries %s without loss', (type, value) => {
    expect(through(type, value)).toBe(value);
  });

  it('tells no value from 0, false and an empty text', () => {
    expect(through('Double', null)).toBeNull();
    expect(through('Double', 0)).toBe(0);
    expect(through('String', '')).toBe('');
  });

  it.each<[DataTypeName, number | bigint | string | boolean]>([
    ['Int8', 128],
    ['UInt16', -1],
    ['Int32', 1.5],
    ['Int64', 9223372036854775808n],
    ['Boolean', 1],
    ['Double', '1'],
    ['DataSet', 1],
  ])('refuses to send as %s what that cannot hold', (type, value) => {
    expect(() => encodePayload({ metrics: [{ name: 'x', type, value }] })).toThrow(InvalidInputError);
  });

  it('reads small negative integers of peers that do not extend the sign', () => {
    // datatype Int16, int_value 65535
    const [metric] = decodePayload(bytesOf('1206' + '2002' + '50ffff03')).metrics;
    expect(metric && metricValue(metric, 'Int16')).toBe(-1);
  });

  it('reads over what it does not know: data sets, templates, metadata, extensions', () => {
    const [metric] = decodePayload(bytesOf('1208' + '0a0178' + '2010' + '8a0100')).metrics;
    expect(metric).toMatchObject({ name: 'x', type: 'DataSet', cell: undefined });
  });

  it('keeps properties beside a value', () => {
    const bytes = encodePayload({
      metrics: [
        {
          name: 'x',
          type: 'Double',
          value: 1,
          properties: { Quality: { type: 'Int32', value: 500 }, engUnit: { type: 'String', value: 'kW' } },
        },
      ],
    });
    const [metric] = decodePayload(bytes).metrics;
    expect(metric?.quality).toBe(500);
    expect(metric?.properties.get('engUnit')).toBe('kW');
  });

  it('is read or refused, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          for (const metric of decodePayload(bytes).metrics) {
            for (const type of Object.keys(DataType)) metricValue(metric, type as DataTypeName);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidInputError);
        }
      }),
    );
  });

  it('is refused when it is cut off', () => {
    const whole = encodePayload({
      timestampMs: 1,
      seq: 1,
      metrics: [{ name: 'x', type: 'Double', value: 1 }],
    });
    expect(() => decodePayload(whole.subarray(0, 8))).toThrow(InvalidInputError);
  });
});
