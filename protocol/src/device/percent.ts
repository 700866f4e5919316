import { z } from 'zod';

/** A percentage as people write it (`5%`, `0.5%`); parsed to a fraction (0.05, 0.005). */
export const Percent = z.string().transform((text, context) => {
  const number = /^(\d+(?:\.\d+)?)\s?%$/.exec(text)?.[1];
  const fraction = Number(number) / 100;
  if (fraction >= 0 && fraction <= 1) return fraction;
  context.addIssue({
    code: 'custom',
    message: `"${text}" is not a percentage; write it like "5%", from "0%" to "100%"`,
  });
  return z.NEVER;
});
