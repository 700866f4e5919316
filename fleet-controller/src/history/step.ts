/** Widths of stored roll-ups, widest first. */
export const ROLLUPS = [
  { table: 'rollup_1d', widthMs: 86_400_000 },
  { table: 'rollup_1h', widthMs: 3_600_000 },
  { table: 'rollup_15m', widthMs: 900_000 },
  { table: 'rollup_1m', widthMs: 60_000 },
] as const;
export type Rollup = (typeof ROLLUPS)[number];
export const FINEST_ROLLUP_MS = 60_000;

/** How many points a chart wants. */
const WANTED_POINTS = 1000;
const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;
/** Widths people read well off an axis. */
const NICE_MS = [
  1,
  2,
  5,
  10,
  20,
  50,
  100,
  200,
  500,
  ...[1, 2, 5, 10, 15, 30].map((n) => n * S),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * M),
  ...[1, 2, 3, 6, 12].map((n) => n * H),
  ...[1, 2, 7, 14, 28].map((n) => n * D),
];

/** The narrowest readable width that gives at most a thousand buckets. */
export function niceStep(spanMs: number): number {
  const wanted = Math.max(1, spanMs / WANTED_POINTS);
  const nice = NICE_MS.find((step) => step >= wanted);
  return nice ?? Math.ceil(wanted / (28 * D)) * 28 * D;
}

/** The widest roll-up whose buckets make up buckets of `stepMs`, which is rounded up to whole minutes. */
export function rollupFor(stepMs: number): { readonly stepMs: number; readonly rollup: Rollup } {
  const whole = Math.max(1, Math.ceil(stepMs / FINEST_ROLLUP_MS)) * FINEST_ROLLUP_MS;
  const rollup = ROLLUPS.find(({ widthMs }) => whole % widthMs === 0) ?? ROLLUPS[3];
  return { stepMs: whole, rollup };
}
