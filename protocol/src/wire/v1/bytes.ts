import { z } from 'zod';

/** Bytes, wherever they lie: a view into a larger buffer will do. */
export const Bytes: z.ZodType<Uint8Array> = z.instanceof(Uint8Array);
