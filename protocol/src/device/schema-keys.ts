import { z } from 'zod';
import type { KeyPath } from './problems.ts';

/** The keys a schema knows at `path`, whichever branch of its unions `value` may have meant. */
export function knownKeys(schema: z.core.$ZodType, path: KeyPath, value: unknown): string[] {
  let schemas = branches(schema, value);
  let here = value;
  for (const step of path) {
    here = child(here, step);
    schemas = schemas.flatMap((each) => inner(each, step)).flatMap((each) => branches(each, here));
  }
  const keys = schemas.flatMap((each) => (each instanceof z.ZodObject ? Object.keys(each.shape) : []));
  return [...new Set(keys)];
}

function child(value: unknown, step: string | number): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, step) : undefined;
}

/** What stands inside an object, record, list or tuple schema under `step`. */
function inner(schema: z.core.$ZodType, step: string | number): z.core.$ZodType[] {
  if (schema instanceof z.ZodObject) {
    const found: z.core.$ZodType | undefined = Object.hasOwn(schema.shape, step)
      ? schema.shape[step]
      : undefined;
    return found === undefined ? [] : [found];
  }
  if (schema instanceof z.ZodRecord) return [schema.valueType];
  if (schema instanceof z.ZodArray) return [schema.element];
  if (schema instanceof z.ZodTuple) {
    const item = schema.def.items[Number(step)] ?? schema.def.rest;
    return item === null || item === undefined ? [] : [item];
  }
  return [];
}

/** Unwraps optional, default and the like; unions become their options, discriminated ones the one that fits. */
function branches(schema: z.core.$ZodType, value: unknown): z.core.$ZodType[] {
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const options = schema.options.flatMap((option) => branches(option, value));
    const { discriminator } = schema.def;
    const tag = child(value, discriminator);
    const fitting = options.filter(
      (option) => option instanceof z.ZodObject && option.shape[discriminator]?.safeParse(tag).success,
    );
    return fitting.length > 0 ? fitting : options;
  }
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => branches(option, value));
  if (schema instanceof z.ZodLazy) return branches(schema.def.getter(), value);
  if (schema instanceof z.ZodPipe) return branches(schema.in, value);
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodCatch ||
    schema instanceof z.ZodReadonly
  )
    return branches(schema.def.innerType, value);
  return [schema];
}
