import { z } from 'zod';
import { PointId } from '../ids.ts';
import { ComputedPoint } from './point.ts';
import { DeviceType, InlineDevice, TypedDevice } from './schema.ts';

const Computed = ComputedPoint.meta({ id: 'computedPoint', title: 'A point worked out of others' });

/** A JSON Schema (draft 2020-12) as editors take it: what may be written, before defaults and conversions. */
export type EditorSchema = z.core.JSONSchema.BaseSchema;

/** Of a file of device types, one type per document. */
export function deviceTypeSchema(): EditorSchema {
  return schemaOf(z.union(asWritten(DeviceType.options)), 'A Millwright device type');
}

/** Of a site file: a list of devices. */
export function siteSchema(): EditorSchema {
  const typed = TypedDevice.extend({ points: z.record(PointId, Computed).optional() });
  return schemaOf(
    z.array(z.union([typed, ...asWritten(InlineDevice.options)])),
    'A Millwright site: its devices',
  );
}

/** Computed points stand among the others in a file; they are told apart before a driver's schema sees them. */
function asWritten(options: readonly z.ZodObject[]): z.ZodObject[] {
  return options.map((option) => {
    const { points } = option.shape;
    if (!(points instanceof z.ZodRecord)) return option;
    return option.extend({ points: z.record(PointId, z.union([Computed, points.valueType])) });
  });
}

function schemaOf(schema: z.ZodType, title: string): EditorSchema {
  const made = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'ref' });
  return { ...made, title };
}
