import { PointId } from '../ids.ts';
import { checkAlarms, checkDescription, type Tell, tellAt, type Where } from './device-rules.ts';
import { checkValue } from './explain.ts';
import { ComputedPoint } from './point.ts';

export type ComputedPoints = Readonly<Record<PointId, ComputedPoint>>;

/** A device or type as written, its computed points taken out of `points`: a driver's schema knows none. */
export function apartFromComputed(value: unknown): {
  readonly value: unknown;
  readonly computed: Readonly<Record<string, unknown>>;
} {
  if (!isMap(value) || !isMap(value.points)) return { value, computed: {} };
  const isComputed = ([, point]: readonly [string, unknown]) =>
    isMap(point) && Object.hasOwn(point, 'compute');
  const entries = Object.entries(value.points);
  const computed = entries.filter(isComputed);
  if (computed.length === 0) return { value, computed: {} };
  const points = Object.fromEntries(entries.filter((entry) => !isComputed(entry)));
  return { value: { ...value, points }, computed: Object.fromEntries(computed) };
}

/** @returns those that are right by themselves; their expressions are checked when all points are known */
export function checkComputed(written: Readonly<Record<string, unknown>>, where: Where): ComputedPoints {
  const { document, at, label, problems } = where;
  const tell: Tell = tellAt(where);
  const computed: Record<PointId, ComputedPoint> = {};
  for (const [name, value] of Object.entries(written)) {
    const id = PointId.safeParse(name);
    if (!id.success) {
      const why = id.error.issues[0]?.message ?? 'is not a point';
      problems.add(
        document.file,
        document.placeOfKey([...at, 'points', name]),
        `${label}.points.${name}`,
        `the name ${why}`,
      );
      continue;
    }
    const options = { at: [...at, 'points', name], label: `${label}.points.${name}` };
    const point = checkValue(document, value, ComputedPoint, problems, options);
    if (!point.ok) continue;
    checkDescription(name, point.value, tell);
    checkAlarms(name, point.value, tell);
    computed[id.data] = point.value;
  }
  return computed;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
