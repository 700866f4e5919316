import type { History, HistoryPoint, JsonValue, Quality, StreamValue } from '../api/types.ts';

/** One point's values over time as the chart wants them: seconds, and null where there is no usable number. */
export interface SeriesData {
  /** Epoch seconds, ascending. */
  readonly t: number[];
  readonly v: (number | null)[];
  /** Extremes of a bucket; equal to `v` for single samples. */
  readonly low: (number | null)[];
  readonly high: (number | null)[];
}

/** A live value is appended to at most this many; the oldest go. */
const MOST_POINTS = 20_000;

const numberOf = (value: JsonValue | undefined, quality: Quality): number | null => {
  if (quality === 'bad') return null;
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'string' && value !== '') return Number.isFinite(Number(value)) ? Number(value) : null;
  return null;
};

function push(
  into: SeriesData,
  atMs: number,
  value: number | null,
  low: number | null,
  high: number | null,
): void {
  into.t.push(atMs / 1000);
  into.v.push(value);
  into.low.push(low);
  into.high.push(high);
}

function pushHistory(into: SeriesData, point: HistoryPoint): void {
  if ('v' in point) {
    const value = numberOf(point.v, point.q);
    push(into, point.t, value, value, value);
  } else {
    push(into, point.t, point.mean, point.min, point.max);
  }
}

/** History as a series. A declared gap and a missing bucket break the line: nothing is drawn where nothing is known. */
export function seriesOf(history: History): SeriesData {
  const series: SeriesData = { t: [], v: [], low: [], high: [] };
  const gaps = history.gaps.toSorted((a, b) => a.fromMs - b.fromMs);
  let nextGap = 0;
  for (const point of history.points) {
    for (let gap = gaps[nextGap]; gap !== undefined && gap.fromMs < point.t; gap = gaps[nextGap]) {
      const last = series.t.at(-1);
      const atMs = last === undefined ? gap.fromMs : Math.max(gap.fromMs, last * 1000 + 1);
      if (atMs < point.t) push(series, atMs, null, null, null);
      nextGap += 1;
    }
    const last = series.t.at(-1);
    if (history.step > 0 && last !== undefined && point.t - last * 1000 > 2.5 * history.step)
      push(series, last * 1000 + history.step, null, null, null);
    pushHistory(series, point);
  }
  return series;
}

/** Adds a live value at the end; one that is not newer than the last is passed over. */
export function appendLive(series: SeriesData, value: StreamValue): boolean {
  const last = series.t.at(-1);
  if (last !== undefined && value.tSource / 1000 <= last) return false;
  const number = numberOf(value.v, value.q);
  push(series, value.tSource, number, number, number);
  if (series.t.length > MOST_POINTS)
    for (const column of [series.t, series.v, series.low, series.high]) column.shift();
  return true;
}

/** One sentence for those who do not see the chart. */
export function describeSeries(label: string, series: SeriesData, unit: string): string {
  const values = series.v.filter((value) => value !== null);
  const [first] = values;
  const last = values.at(-1);
  if (first === undefined || last === undefined) return `${label}: no values in this time.`;
  let low = first;
  let high = first;
  for (const value of series.low) if (value !== null && value < low) low = value;
  for (const value of series.high) if (value !== null && value > high) high = value;
  const text = (value: number) => `${Number(value.toPrecision(4))}${unit === '' ? '' : ` ${unit}`}`;
  return `${label}: from ${text(first)} to ${text(last)}, lowest ${text(low)}, highest ${text(high)}, ${values.length} values.`;
}
