import {
  type AlarmRule,
  type DeviceSlug,
  type DeviceSpec,
  describedPoints,
  type ExpressionPoints,
  type PointId,
  type PointNo,
  type Sample,
} from '@millwright/protocol';

/** A device with its points numbered. */
export interface NumberedDevice {
  readonly spec: DeviceSpec;
  readonly numbers: ReadonlyMap<PointId, PointNo>;
}

/** Where conditions find the newest values. */
export interface ConditionPoints {
  sample(no: PointNo): Sample | undefined;
  /** Since the newest sample came, by the monotonic clock. */
  ageMs(no: PointNo): number;
}

export type Verdict =
  | { readonly holds: boolean; readonly isCertain: true }
  /** `holds` is what it yields for values that are uncertain; undefined when it yields nothing. */
  | { readonly holds: boolean | undefined; readonly isCertain: false; readonly why: string };

/** An expression over points of a running gateway. */
export interface Condition {
  readonly text: string;
  /** The points that can change it. */
  readonly reads: readonly PointNo[];
  /** It changes with time alone as well. */
  readonly readsAge: boolean;
  /** Whether every point it reads has delivered something since the start, be it bad. */
  isRead(): boolean;
  judge(): Verdict;
}

/** Where a condition stands in a device file. */
export interface ConditionPlace {
  readonly spec: DeviceSpec;
  readonly inputs: ExpressionPoints | undefined;
}

/** @throws InvalidInputError `EXPRESSION_INVALID` */
export type CompileCondition = (text: string, place: ConditionPlace) => Condition;

/** Every expression of a device file, and where it stands. */
export function* expressionsOf(spec: DeviceSpec): Generator<{
  readonly text: string;
  readonly inputs: ExpressionPoints | undefined;
  readonly path: string;
}> {
  for (const [id, point] of describedPoints(spec)) {
    const { alarms } = point;
    const write = 'write' in point ? point.write : undefined;
    if (write?.interlock !== undefined) {
      yield { text: write.interlock, inputs: write.inputs, path: `points.${id}.write.interlock` };
    }
    for (const [name, { when, suppress, inputs }] of Object.entries<AlarmRule>(alarms ?? {})) {
      const path = `points.${id}.alarms.${name}`;
      if (when !== undefined) yield { text: when, inputs, path: `${path}.when` };
      if (suppress !== undefined) yield { text: suppress, inputs, path: `${path}.suppress` };
    }
  }
}

/** The expression language is loaded by gateways that have expressions. */
export function hasExpressions(specs: Iterable<DeviceSpec>): boolean {
  for (const spec of specs) if (!expressionsOf(spec).next().done) return true;
  return false;
}

/** @returns device and point of `pump-2/speed` */
export function pointRef(text: string): { readonly device: DeviceSlug; readonly point: PointId } {
  const slash = text.indexOf('/');
  return { device: text.slice(0, slash) as DeviceSlug, point: text.slice(slash + 1) as PointId };
}
