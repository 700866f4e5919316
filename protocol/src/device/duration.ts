import ms, { type StringValue } from 'ms';
import { z } from 'zod';

/** A duration as people write it (`500ms`, `5s`, `10m`, `2h`); parsed to milliseconds. */
export const DurationMs = z.string().transform((text, context) => {
  const parsed = /^\d+(\.\d+)?(ms|s|m|h|d)$/.test(text) ? ms(text as StringValue) : undefined;
  if (parsed === undefined) {
    context.addIssue({
      code: 'custom',
      message: `"${text}" is not a duration; write it like "500ms", "5s", "10m" or "2h"`,
    });
    return z.NEVER;
  }
  return parsed;
});
