import {
  bad,
  GOOD,
  type QualityByte,
  qualityByte,
  type SparkplugPoint,
  type Value,
} from '@millwright/protocol';
import type { MetricNews } from './birth-register.ts';
import type { DataTypeName } from './datatypes.ts';
import { QUALITY } from './payload.ts';

const STALE = qualityByte('uncertain', 'stale');

export interface Reading {
  readonly value: Value;
  readonly quality: QualityByte;
}

/** A metric's news as a point of this kind has it; what does not fit is `bad`, never another value. */
export function readingOf(news: Pick<MetricNews, 'value' | 'quality'>, as: SparkplugPoint['as']): Reading {
  const { value, quality } = news;
  if (value === undefined) return { value: null, quality: bad('decode-error') };
  if (value === null || quality === QUALITY.bad) return { value: null, quality: bad('peer-bad') };
  const converted = convert(value, as);
  if (converted === undefined) return { value: null, quality: bad('decode-error') };
  if (quality === QUALITY.stale) return { value: converted, quality: STALE };
  if (quality !== undefined && quality !== QUALITY.good) {
    return { value: converted, quality: qualityByte('uncertain', 'peer-uncertain') };
  }
  return { value: converted, quality: GOOD };
}

/** A value to be written, in the type that the metric has. @returns undefined when that type cannot hold it */
export function writableAs(value: Value, type: DataTypeName): Value | undefined {
  switch (type) {
    case 'Float':
    case 'Double': {
      const number = typeof value === 'bigint' ? Number(value) : value;
      if (typeof number !== 'number' || !Number.isFinite(number)) return undefined;
      return typeof value === 'bigint' && BigInt(number) !== value ? undefined : number;
    }
    case 'Boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'String':
    case 'Text':
    case 'UUID':
      return typeof value === 'string' ? value : undefined;
    default:
      return typeof value === 'bigint' || Number.isInteger(value) ? value : undefined;
  }
}

function convert(value: Exclude<Value, null>, as: SparkplugPoint['as']): Exclude<Value, null> | undefined {
  switch (as) {
    case 'bool':
      return typeof value === 'boolean' ? value : undefined;
    case 'text':
      return typeof value === 'string' ? value : undefined;
    case 'float64':
      if (typeof value === 'bigint') return Number(value);
      return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
    case 'int64':
    case 'uint64': {
      const integer = typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value;
      if (typeof integer !== 'bigint') return undefined;
      const fits = as === 'int64' ? BigInt.asIntN(64, integer) : BigInt.asUintN(64, integer);
      return fits === integer ? integer : undefined;
    }
  }
}
