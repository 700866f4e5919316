import type { PointDefaults } from './point.ts';
import type { Report } from './report.ts';

type Reported = { readonly report?: Report | undefined; readonly stale?: number | undefined };

/** Points with what they do not say themselves filled in from `defaults`. */
export function withDefaults<T extends Readonly<Record<string, Reported>>>(
  points: T,
  defaults: PointDefaults | undefined,
): T {
  if (defaults?.report === undefined && defaults?.stale === undefined) return points;
  const entries = Object.entries(points).map(([id, point]) => {
    const report = merged(point.report, defaults.report);
    const stale = point.stale ?? defaults.stale;
    const more = { ...(report === undefined ? {} : { report }), ...(stale === undefined ? {} : { stale }) };
    return [id, { ...point, ...more }] as const;
  });
  return Object.fromEntries(entries) as T;
}

/** A point has a deadband of one kind, or swings: its own goes before any default. */
function merged(own: Report | undefined, fallback: Report | undefined): Report | undefined {
  if (own === undefined || fallback === undefined) return own ?? fallback;
  const { heartbeat, ...band } = fallback;
  const has = own.deadband ?? own.relativeDeadband ?? own.swing;
  return {
    ...(has === undefined ? band : {}),
    ...(heartbeat === undefined ? {} : { heartbeat }),
    ...own,
  };
}
