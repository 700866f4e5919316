import {
  type DataTypeName,
  type Metric,
  type Properties,
  QUALITY,
  type QualityCode,
} from '@millwright/device-drivers/sparkplug';
import {
  type CatalogEntry,
  type DescribedPoint,
  type DeviceSlug,
  describedPoint,
  type PointId,
  type PointNo,
  type Sample,
  type Value,
} from '@millwright/protocol';
import type { NumberedDevice } from '../devices/line-factory.ts';

/** Aliases of points follow those of the edge node's own metrics. */
const FIRST_POINT_ALIAS = 16;

const TYPE_OF_KIND = {
  float64: 'Double',
  int64: 'Int64',
  uint64: 'UInt64',
  bool: 'Boolean',
  text: 'String',
} as const satisfies Record<CatalogEntry['kind'], DataTypeName>;

/** One point as a metric, and what was last said of it. */
export interface MetricSlot {
  readonly device: DeviceSlug;
  readonly point: PointId;
  readonly no: PointNo;
  readonly alias: number;
  readonly type: DataTypeName;
  readonly properties: Properties;
  sentValue: Value;
  sentQuality: QualityCode | undefined;
}

/** The metrics of one device. A point's number is for ever, and so is its alias. */
export function slotsOf(
  { spec, numbers }: NumberedDevice,
  catalog: { entry(no: PointNo): CatalogEntry | undefined },
): MetricSlot[] {
  return [...numbers].map(([point, no]) => ({
    device: spec.id,
    point,
    no,
    alias: FIRST_POINT_ALIAS + no,
    type: TYPE_OF_KIND[catalog.entry(no)?.kind ?? 'float64'],
    properties: propertiesOf(describedPoint(spec, point)),
    sentValue: null,
    sentQuality: undefined,
  }));
}

/** For a birth certificate: everything there is to say. Remembered as sent. */
export function birthMetric(slot: MetricSlot, sample: Sample): Metric {
  const { point, alias, type, properties } = slot;
  const { value, quality } = reading(slot, sample);
  slot.sentValue = value;
  slot.sentQuality = quality;
  return {
    name: point,
    alias,
    type,
    timestampMs: Math.trunc(sample.tSource),
    value,
    properties: { Quality: { type: 'Int32', value: quality }, ...properties },
  };
}

/** For a data message. Remembered as sent. @returns undefined when nothing has changed since it was last sent */
export function changedMetric(slot: MetricSlot, sample: Sample): Metric | undefined {
  const { value, quality } = reading(slot, sample);
  const isSame = quality === slot.sentQuality;
  if (isSame && Object.is(value, slot.sentValue)) return undefined;
  slot.sentValue = value;
  slot.sentQuality = quality;
  return {
    alias: slot.alias,
    type: slot.type,
    timestampMs: Math.trunc(sample.tSource),
    value,
    ...(isSame ? {} : { properties: { Quality: { type: 'Int32', value: quality } } }),
  };
}

function reading(
  slot: MetricSlot,
  { v, q }: Sample,
): { readonly value: Value; readonly quality: QualityCode } {
  if (v === null || !fits(slot.type, v)) return { value: null, quality: QUALITY.bad };
  // Sparkplug knows no "uncertain": a value that cannot be trusted to be the present one is stale.
  return { value: v, quality: q === 'good' ? QUALITY.good : q === 'uncertain' ? QUALITY.stale : QUALITY.bad };
}

function fits(type: DataTypeName, value: Exclude<Value, null>): boolean {
  switch (type) {
    case 'Boolean':
      return typeof value === 'boolean';
    case 'String':
      return typeof value === 'string';
    case 'Double':
      return typeof value === 'number';
    default:
      return typeof value === 'bigint';
  }
}

/** Under the names that hosts know: engineering unit and range, what it is, and whether it can be written. */
function propertiesOf(point: DescribedPoint | undefined): Properties {
  const write = point !== undefined && 'write' in point ? point.write : undefined;
  const range = write?.range;
  return {
    ...(point?.unit === undefined ? {} : { engUnit: { type: 'String', value: point.unit } }),
    ...(range === undefined
      ? {}
      : { engLow: { type: 'Double', value: range[0] }, engHigh: { type: 'Double', value: range[1] } }),
    ...(point?.label === undefined ? {} : { documentation: { type: 'String', value: point.label } }),
    readOnly: { type: 'Boolean', value: write === undefined },
  };
}
