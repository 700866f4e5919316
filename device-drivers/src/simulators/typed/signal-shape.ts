import type { ModbusPoint } from '@millwright/protocol';

/** How a number of a device nobody knows more of may behave. */
export interface SignalShape {
  readonly kind: 'wander' | 'count' | 'hold';
  /** Where it is in the long run, and how far it strays. Of a counter: where it begins, and what an hour adds. */
  readonly centre: number;
  readonly spread: number;
}

/** Centre and spread of what is usually measured in a unit. */
const USUAL: Readonly<Record<string, readonly [number, number]>> = {
  '%': [45, 12],
  '[ppm]': [620, 120],
  '/min': [1450, 40],
  '{rev}/min': [1450, 40],
  A: [12, 4],
  Cel: [21.5, 2.5],
  Hz: [50, 0.02],
  K: [295, 3],
  Pa: [101_325, 300],
  V: [230, 2.5],
  'V.A': [2700, 700],
  W: [2500, 700],
  bar: [2.8, 0.3],
  hPa: [1013, 4],
  'kV.A': [14, 4],
  kW: [13, 4],
  'm3/h': [42, 6],
  mbar: [1013, 4],
  'mm/s': [1.4, 0.4],
};
const OTHERWISE = [50, 10] as const;
/** Above the half of what alarms begin at there is room for a device in order to stray. */
const CALM = 0.85;

/** A plausible course of a point: by its class, unit, range and alarms, and within what its registers hold. */
export function shapeOf(point: ModbusPoint): SignalShape {
  const [low, high] = reachOf(point);
  const [usual, stray] = USUAL[point.unit ?? ''] ?? OTHERWISE;
  if (point.class === 'total' || point.class === 'total_increasing') {
    const hourly = /h$/.test(point.unit ?? '')
      ? (USUAL[(point.unit ?? '').replace(/\.h$/, '')]?.[0] ?? 10)
      : 10;
    return { kind: 'count', centre: Math.min(high / 2, 1000 * hourly), spread: hourly };
  }
  const range = point.write?.range;
  const wide = range === undefined ? usual : (range[0] + range[1]) / 2;
  const centre = Math.min(high, Math.max(low, wide));
  const spread = Math.min(stray, (high - low) / 6, range === undefined ? stray : (range[1] - range[0]) / 6);
  return { kind: point.write === undefined && point.class !== 'state' ? 'wander' : 'hold', centre, spread };
}

/** Lowest and highest value that registers, range and alarms leave. */
export function reachOf(point: ModbusPoint): [number, number] {
  const { scale = 1, offset = 0 } = point;
  const [first, last] = rawReach(point);
  let [low, high] = [first * scale + offset, last * scale + offset].sort((a, b) => a - b) as [number, number];
  const range = point.write?.range;
  if (range !== undefined) [low, high] = [Math.max(low, range[0]), Math.min(high, range[1])];
  for (const { at, off, side } of Object.values(point.alarms ?? {})) {
    if (at === undefined) continue;
    const isLow = side === 'low' || (side === undefined && off !== undefined && off > at);
    if (isLow) low = Math.max(low, at + (1 - CALM) * Math.abs(at));
    else high = Math.min(high, at - (1 - CALM) * Math.abs(at));
  }
  return low < high ? [low, high] : [low, low];
}

function rawReach({ as, bits, mask, shift = 0 }: ModbusPoint): [number, number] {
  if (as === 'float16') return [-60_000, 60_000];
  if (as.startsWith('float')) return [-1e9, 1e9];
  const size = Number(/\d+$/.exec(as)?.[0] ?? 16);
  if (as.startsWith('bcd')) return [0, 10 ** Math.min(15, size / 4) - 1];
  const field =
    bits === undefined
      ? mask === undefined
        ? size
        : mask.toString(2).length - shift
      : bits[1] - bits[0] + 1;
  const count = Math.min(field, 52);
  return as.startsWith('u') || mask !== undefined
    ? [0, 2 ** count - 1]
    : [-(2 ** (count - 1)), 2 ** (count - 1) - 1];
}
