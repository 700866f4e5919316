import { z } from 'zod';
import type { JsonValue } from '../../samples/value.ts';

export const JsonValueSchema: z.ZodType<JsonValue> = z.union([z.number(), z.boolean(), z.string(), z.null()]);
