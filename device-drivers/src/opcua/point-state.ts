import type { MonitoredPoint } from './messages.ts';

/** What is known of a point while its line is open. */
export interface PointState {
  readonly point: MonitoredPoint;
  /** The newest time the server gave to one of its values; -Infinity before the first. */
  lastSourceMs: number;
  /** Built-in type of its node, once it was asked for. */
  dataType: number | undefined;
}

export function stateOf(point: MonitoredPoint): PointState {
  return { point, lastSourceMs: Number.NEGATIVE_INFINITY, dataType: undefined };
}
