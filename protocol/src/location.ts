import { z } from 'zod';

/** Where a site is, for the sun and for local time. */
export const Location = z.strictObject({
  latitude: z.number().min(-90).max(90).optional(),
  longitude: z.number().min(-180).max(180).optional(),
  /** IANA time zone of schedules. */
  zone: z
    .string()
    .max(64)
    .refine(isZone, 'must be an IANA time zone, such as "Europe/Berlin"')
    .default('UTC'),
});
export type Location = z.infer<typeof Location>;

/** Whether this is the name of a time zone. */
export function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
