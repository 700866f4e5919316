import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { InvalidInputError, type Value } from '@millwright/protocol';
import { type Cell, cellOf, DataType, type DataTypeName, dataTypeName, valueOfCell } from './datatypes.ts';
import {
  type Metric as MetricMessage,
  MetricSchema,
  PayloadSchema,
  type PropertySet,
} from './sparkplug-b.gen.ts';

/** What stands beside a metric's value. `Quality` is 192 (good), 500 (stale) or 0 (bad). @see Sparkplug 3.0 §6.4.15 */
export interface Property {
  readonly type: DataTypeName;
  readonly value: Value;
}
export type Properties = Readonly<Record<string, Property>>;

export const QUALITY = { good: 192, stale: 500, bad: 0 } as const;
export type QualityCode = (typeof QUALITY)[keyof typeof QUALITY];

/** A metric to be sent. */
export interface Metric {
  readonly name?: string | undefined;
  readonly alias?: number | bigint | undefined;
  readonly timestampMs?: number | undefined;
  readonly type: DataTypeName;
  /** False leaves the type out of the message, as data and commands of known metrics do. Default true. */
  readonly withType?: boolean;
  readonly isHistorical?: boolean;
  /** null: the metric has no value now. */
  readonly value: Value;
  readonly properties?: Properties | undefined;
}

export interface Payload {
  readonly timestampMs?: number | undefined;
  readonly seq?: number | undefined;
  readonly metrics: readonly Metric[];
}

/** A metric as it came; what its value is can depend on the type its birth gave it. */
export interface ReceivedMetric {
  readonly name: string | undefined;
  readonly alias: bigint | undefined;
  readonly timestampMs: number | undefined;
  readonly type: DataTypeName | undefined;
  /** A type was given, though perhaps one that nobody here reads. */
  readonly hasType: boolean;
  readonly isHistorical: boolean;
  readonly isNull: boolean;
  /** Undefined: no value, or one of a kind that is not read here. */
  readonly cell: Cell | undefined;
  readonly quality: number | undefined;
  readonly properties: ReadonlyMap<string, Value>;
}

export interface ReceivedPayload {
  readonly timestampMs: number | undefined;
  readonly seq: number | undefined;
  readonly metrics: readonly ReceivedMetric[];
}

/** @throws InvalidInputError `SPARKPLUG_VALUE` for a value its type cannot hold */
export function encodePayload({ timestampMs, seq, metrics }: Payload): Uint8Array {
  const message = create(PayloadSchema, {});
  if (timestampMs !== undefined) message.timestamp = BigInt(timestampMs);
  if (seq !== undefined) message.seq = BigInt(seq);
  for (const metric of metrics) message.metrics.push(messageOf(metric));
  return toBinary(PayloadSchema, message);
}

/** @throws InvalidInputError `SPARKPLUG_PAYLOAD` for bytes that are no Sparkplug B payload */
export function decodePayload(bytes: Uint8Array): ReceivedPayload {
  try {
    const { timestamp, seq, metrics } = fromBinary(PayloadSchema, bytes);
    return { timestampMs: timeOf(timestamp), seq: numberOf(seq), metrics: metrics.map(received) };
  } catch (cause) {
    throw new InvalidInputError('SPARKPLUG_PAYLOAD', 'the message is no Sparkplug B payload', { cause });
  }
}

/**
 * What a received metric says when it is of `type`.
 * @returns undefined when it cannot be read as that
 */
export function metricValue(metric: ReceivedMetric, type: DataTypeName): Value | undefined {
  if (metric.isNull) return null;
  return metric.cell && valueOfCell(type, metric.cell);
}

function messageOf(metric: Metric): MetricMessage {
  const { name, alias, timestampMs, type, withType = true, isHistorical, value, properties } = metric;
  const message = create(MetricSchema);
  if (name !== undefined) message.name = name;
  if (alias !== undefined) message.alias = BigInt(alias);
  if (timestampMs !== undefined) message.timestamp = BigInt(timestampMs);
  if (withType) message.datatype = DataType[type];
  if (isHistorical === true) message.isHistorical = true;
  if (value === null) message.isNull = true;
  else message.value = checkedCell(type, value, name ?? `alias ${alias}`);
  if (properties !== undefined) {
    const entries = Object.entries(properties);
    message.properties = {
      $typeName: 'millwright.sparkplug.PropertySet',
      keys: entries.map(([key]) => key),
      values: entries.map(([key, { type, value }]) => ({
        $typeName: 'millwright.sparkplug.PropertyValue',
        type: DataType[type],
        ...(value === null
          ? { isNull: true, value: { case: undefined } }
          : { value: checkedCell(type, value, key) }),
      })),
    };
  }
  return message;
}

function checkedCell(type: DataTypeName, value: Exclude<Value, null>, what: string): Cell {
  const cell = cellOf(type, value);
  if (cell !== undefined) return cell;
  throw new InvalidInputError('SPARKPLUG_VALUE', `${what}: ${String(value).slice(0, 80)} is not a ${type}`);
}

function received(message: MetricMessage): ReceivedMetric {
  const { name, alias, timestamp, datatype, value } = message;
  const properties = propertiesOf(message.properties);
  const quality = properties.get('Quality');
  return {
    name,
    alias,
    timestampMs: timeOf(timestamp),
    type: dataTypeName(datatype),
    hasType: datatype !== undefined,
    isHistorical: message.isHistorical ?? false,
    isNull: message.isNull ?? false,
    cell: scalar(value),
    quality: typeof quality === 'number' ? quality : undefined,
    properties,
  };
}

function propertiesOf(set: PropertySet | undefined): Map<string, Value> {
  const properties = new Map<string, Value>();
  for (const [at, key] of (set?.keys ?? []).entries()) {
    const property = set?.values[at];
    const type = dataTypeName(property?.type);
    if (property === undefined || type === undefined) continue;
    const cell = scalar(property.value);
    const value = property.isNull === true ? null : cell && valueOfCell(type, cell);
    if (value !== undefined) properties.set(key, value);
  }
  return properties;
}

function scalar(value: { readonly case: string | undefined; readonly value?: unknown }): Cell | undefined {
  switch (value.case) {
    case 'intValue':
    case 'longValue':
    case 'floatValue':
    case 'doubleValue':
    case 'booleanValue':
    case 'stringValue':
      return value as Cell;
    default:
      return undefined;
  }
}

function timeOf(timestamp: bigint | undefined): number | undefined {
  return timestamp === undefined || timestamp > 8_640_000_000_000_000n ? undefined : Number(timestamp);
}

function numberOf(seq: bigint | undefined): number | undefined {
  return seq === undefined ? undefined : Number(seq);
}
