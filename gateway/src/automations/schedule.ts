import { InvalidInputError, type Location } from '@millwright/protocol';
import type { ScheduleSpec } from '@millwright/protocol/automation';
import { Cron } from 'croner';
import { getTimes } from 'suncalc';

const DAY_MS = 24 * 3600 * 1000;
/** Beyond the polar circles the sun neither rises nor sets for up to half a year. */
const SUN_DAYS = 200;

/** When a rule is due by the clock. */
export interface Schedule {
  /** @returns the first due time after `afterMs`, epoch ms; undefined = never */
  next(afterMs: number): number | undefined;
}

/**
 * @param location for the sun, and the zone of a cron that names none
 * @throws InvalidInputError `SCHEDULE_INVALID`
 */
export function createSchedule(spec: ScheduleSpec, location: Location): Schedule {
  return spec.kind === 'cron' ? cronSchedule(spec, location) : sunSchedule(spec, location);
}

/**
 * A time that does not exist on the day the clocks go forward is due right after the gap; one that comes twice is due
 * once, unless the pattern repeats within the hour.
 */
function cronSchedule(spec: Extract<ScheduleSpec, { kind: 'cron' }>, location: Location): Schedule {
  try {
    const cron = new Cron(spec.cron, {
      timezone: spec.zone ?? location.zone,
      paused: true,
      mode: '5-or-6-parts',
    });
    return { next: (afterMs) => cron.nextRun(new Date(afterMs))?.getTime() };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.replace(/^CronPattern: /, '') : String(cause);
    throw new InvalidInputError('SCHEDULE_INVALID', `"${spec.cron}" is not a cron pattern: ${why}`, {
      cause,
    });
  }
}

function sunSchedule(spec: Extract<ScheduleSpec, { kind: 'sun' }>, location: Location): Schedule {
  const { latitude, longitude } = location;
  if (latitude === undefined || longitude === undefined) {
    throw new InvalidInputError('SCHEDULE_INVALID', `"${spec.at}" needs to know where the site is`, {
      hint: 'give "location: { latitude, longitude }" in the gateway configuration',
    });
  }
  return {
    next: (afterMs) => {
      for (let day = -1; day <= SUN_DAYS; day++) {
        const times = getTimes(new Date(afterMs + day * DAY_MS), latitude, longitude);
        const at = times[spec.at];
        // An invalid date is how the library says "not on this day" for some times.
        const dueMs = at === null ? Number.NaN : Math.round(at.getTime()) + spec.offsetMs;
        if (dueMs > afterMs) return dueMs;
      }
      return undefined;
    },
  };
}
