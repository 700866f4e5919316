import { Location } from '@millwright/protocol';
import type { ScheduleSpec, SunTime } from '@millwright/protocol/automation';
import { describe, expect, it } from 'vitest';
import { createSchedule } from './schedule.ts';

const MINUTE_MS = 60_000;
const BERLIN = Location.parse({ latitude: 52.52, longitude: 13.405, zone: 'Europe/Berlin' });

function dueTimes(spec: ScheduleSpec, from: string, count: number, location = BERLIN): string[] {
  const schedule = createSchedule(spec, location);
  const found: string[] = [];
  let atMs: number | undefined = Date.parse(from);
  while (found.length < count) {
    atMs = schedule.next(atMs);
    if (atMs === undefined) break;
    found.push(new Date(atMs).toISOString().slice(0, 16));
  }
  return found;
}

const cron = (pattern: string, zone?: string): ScheduleSpec => ({ kind: 'cron', cron: pattern, zone });

describe('a cron schedule', () => {
  it.each<[what: string, pattern: string, from: string, due: string[]]>([
    [
      'keeps to local time when summer begins',
      '0 7 * * *',
      '2026-03-28T00:00Z',
      ['2026-03-28T06:00', '2026-03-29T05:00', '2026-03-30T05:00'],
    ],
    [
      'is due right after an hour that does not exist',
      '30 2 * * *',
      '2026-03-28T12:00Z',
      ['2026-03-29T01:00', '2026-03-30T00:30'],
    ],
    [
      'is due once in an hour that comes twice',
      '30 2 * * *',
      '2026-10-24T12:00Z',
      ['2026-10-25T00:30', '2026-10-26T01:30'],
    ],
    [
      'goes on through an hour that comes twice when it repeats',
      '0 * * * *',
      '2026-10-24T23:30Z',
      ['2026-10-25T00:00', '2026-10-25T01:00', '2026-10-25T02:00'],
    ],
    ['knows leap days', '0 0 29 2 *', '2026-01-01T00:00Z', ['2028-02-28T23:00', '2032-02-28T23:00']],
    ['is never due on a day that does not exist', '0 0 30 2 *', '2026-01-01T00:00Z', []],
    ['takes seconds', '30 * * * * *', '2026-01-01T00:00:00Z', ['2026-01-01T00:00', '2026-01-01T00:01']],
  ])('%s', (_, pattern, from, due) => {
    expect(dueTimes(cron(pattern), from, due.length || 1)).toEqual(due);
  });

  it('may have a zone of its own', () => {
    expect(dueTimes(cron('0 7 * * *', 'America/New_York'), '2026-07-01T00:00Z', 1)).toEqual([
      '2026-07-01T11:00',
    ]);
  });

  it('is refused when it is none', () => {
    expect(() => createSchedule(cron('61 * * * *'), BERLIN)).toThrow('"61 * * * *" is not a cron pattern');
  });
});

describe('a schedule by the sun', () => {
  // timeanddate.com, to the minute.
  it.each<[place: string, at: SunTime, latitude: number, longitude: number, from: string, due: string]>([
    ['Berlin', 'sunrise', 52.52, 13.405, '2024-06-21T00:00Z', '2024-06-21T02:43Z'],
    ['Berlin', 'sunset', 52.52, 13.405, '2024-06-21T00:00Z', '2024-06-21T19:33Z'],
    ['London', 'sunrise', 51.5, -0.13, '2024-12-21T00:00Z', '2024-12-21T08:04Z'],
    ['London', 'sunset', 51.5, -0.13, '2024-12-21T00:00Z', '2024-12-21T15:53Z'],
    ['New York', 'sunrise', 40.71, -74.006, '2024-03-20T06:00Z', '2024-03-20T10:58Z'],
    ['New York', 'sunset', 40.71, -74.006, '2024-03-20T06:00Z', '2024-03-20T23:08Z'],
    ['Sydney', 'sunrise', -33.87, 151.21, '2024-12-20T15:00Z', '2024-12-20T18:41Z'],
    ['Sydney', 'sunset', -33.87, 151.21, '2024-12-20T15:00Z', '2024-12-21T09:05Z'],
  ])('%s: %s', (_, at, latitude, longitude, from, due) => {
    const location = { latitude, longitude, zone: 'UTC' };
    const found = createSchedule({ kind: 'sun', at, offsetMs: 0 }, location).next(Date.parse(from)) ?? 0;
    expect(Math.abs(found - Date.parse(due))).toBeLessThan(2 * MINUTE_MS);
  });

  it('waits through the polar night', () => {
    const tromso = Location.parse({ latitude: 69.65, longitude: 18.96 });
    const [day] = dueTimes({ kind: 'sun', at: 'sunrise', offsetMs: 0 }, '2024-12-01T00:00Z', 1, tromso);
    expect(day?.slice(0, 10)).toBe('2025-01-15');
  });

  it('is never due where the sun does not rise and set', () => {
    const pole = Location.parse({ latitude: 90, longitude: 0 });
    expect(dueTimes({ kind: 'sun', at: 'dusk', offsetMs: 0 }, '2024-06-01T00:00Z', 1, pole)).toEqual([]);
  });

  it('is due once a day, with its offset', () => {
    const due = dueTimes(
      { kind: 'sun', at: 'solarNoon', offsetMs: -30 * MINUTE_MS },
      '2024-06-01T00:00Z',
      400,
    );
    expect(new Set(due.map((each) => each.slice(0, 10))).size).toBe(400);
    expect(due[0]).toMatch(/^2024-06-01T10:3/);
  });

  it('needs to know where', () => {
    const nowhere = Location.parse({});
    expect(() => createSchedule({ kind: 'sun', at: 'dusk', offsetMs: 0 }, nowhere)).toThrow(
      'where the site is',
    );
  });
});
