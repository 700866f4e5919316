import ms, { type StringValue } from 'ms';
import { z } from 'zod';
import { isZone } from '../location.ts';

export const SUN_TIMES = [
  'sunrise',
  'sunset',
  'dawn',
  'dusk',
  'nauticalDawn',
  'nauticalDusk',
  'nightEnd',
  'night',
  'goldenHour',
  'goldenHourEnd',
  'solarNoon',
] as const;
export type SunTime = (typeof SUN_TIMES)[number];

const MAX_OFFSET_MS = 12 * 3600 * 1000;

const OffsetMs = z.string().transform((text, context) => {
  const parsed = /^[+-]?\d+(\.\d+)?(ms|s|m|h)$/.test(text)
    ? ms(text.replace('+', '') as StringValue)
    : undefined;
  if (parsed !== undefined && Math.abs(parsed) <= MAX_OFFSET_MS) return parsed;
  const message = `"${text}" is not an offset of at most 12h; write it like "-30m" or "1h"`;
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

/** When a rule is looked at by the clock. */
export type ScheduleSpec =
  | { readonly kind: 'cron'; readonly cron: string; readonly zone: string | undefined }
  | { readonly kind: 'sun'; readonly at: SunTime; readonly offsetMs: number };

export const ScheduleText = z
  .strictObject({
    /** Five or six fields. */
    cron: z.string().min(1).max(200).optional(),
    zone: z.string().max(64).refine(isZone, 'must be an IANA time zone, such as "Europe/Berlin"').optional(),
    sun: z.enum(SUN_TIMES).optional(),
    offset: OffsetMs.optional(),
  })
  .transform(({ cron, zone, sun, offset }, context): ScheduleSpec => {
    const tell = (message: string, path: string[] = []) => {
      context.addIssue({ code: 'custom', message, path });
      return z.NEVER;
    };
    if (cron !== undefined && sun !== undefined)
      return tell('is given beside "cron"; a rule has one schedule', ['sun']);
    if (cron !== undefined && offset !== undefined) return tell('is only for "sun"', ['offset']);
    if (sun !== undefined && zone !== undefined) return tell('has no meaning for "sun"', ['zone']);
    if (cron !== undefined) return { kind: 'cron', cron, zone };
    if (sun !== undefined) return { kind: 'sun', at: sun, offsetMs: offset ?? 0 };
    return tell('needs "cron" or "sun"');
  });
