import proto from 'sparkplug-payload/lib/sparkplugPayloadProto.js';
import { z } from 'zod';

const { Payload } = proto.org.eclipse.tahu.protobuf;

const PropertyValue = z.object({
  type: z.number().optional(),
  isNull: z.boolean().optional(),
  intValue: z.number().optional(),
  doubleValue: z.number().optional(),
  booleanValue: z.boolean().optional(),
  stringValue: z.string().optional(),
});
const Metric = z.object({
  name: z.string().optional(),
  alias: z.number().optional(),
  timestamp: z.number().optional(),
  datatype: z.number().optional(),
  isHistorical: z.boolean().optional(),
  isNull: z.boolean().optional(),
  properties: z
    .object({ keys: z.array(z.string()).default([]), values: z.array(PropertyValue).default([]) })
    .optional(),
  intValue: z.number().optional(),
  longValue: z.number().optional(),
  floatValue: z.number().optional(),
  doubleValue: z.number().optional(),
  booleanValue: z.boolean().optional(),
  stringValue: z.string().optional(),
  bytesValue: z.string().optional(),
  datasetValue: z.unknown().optional(),
  templateValue: z.unknown().optional(),
});
const Message = z.object({
  timestamp: z.number().optional(),
  seq: z.number().optional(),
  metrics: z.array(Metric).default([]),
});

/** A metric with the fields that stand on the wire, and no others. */
export type WireMetric = z.infer<typeof Metric>;
export type WireMessage = z.infer<typeof Message>;

/** Decoded by the reference implementation's protobuf code, not by ours. @throws when it is no such payload */
export function readMessage(bytes: Uint8Array): WireMessage {
  return Message.parse(Payload.toObject(Payload.decode(bytes), { longs: Number, bytes: String }));
}

export function wireValue(metric: WireMetric): unknown {
  const { intValue, longValue, floatValue, doubleValue, booleanValue, stringValue } = metric;
  return intValue ?? longValue ?? floatValue ?? doubleValue ?? booleanValue ?? stringValue;
}
