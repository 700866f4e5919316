import {
  type AlarmRule,
  type DeviceSlug,
  type DeviceSpec,
  describedPoint,
  type PointId,
  type PointNo,
} from '@millwright/protocol';
import type { CompileCondition, Condition, NumberedDevice } from '../conditions/condition.ts';
import type { AlarmDefinition } from './alarm-record.ts';
import { type Detector, detectorOf } from './detectors.ts';

/** A point with alarms, and how people call it. */
export interface WatchedPoint {
  readonly no: PointNo;
  readonly device: DeviceSlug;
  readonly point: PointId;
  /** "Pump 1 bearing temperature". */
  readonly subject: string;
  readonly unit?: string | undefined;
  readonly alarms: Readonly<Record<string, AlarmRule>>;
  /** Needed by alarms with expressions. @throws InvalidInputError `EXPRESSION_INVALID` */
  readonly compile?: ((text: string, rule: AlarmRule) => Condition) | undefined;
}

/** One alarm of a point, ready to be judged. */
export interface WatchedAlarm {
  readonly definition: AlarmDefinition;
  readonly rule: AlarmRule;
  readonly detector: Detector;
  readonly suppress: Condition | undefined;
}

/** All points of these devices that have alarms. */
export function* watchedPointsOf(
  devices: Iterable<NumberedDevice>,
  compile?: CompileCondition,
): Generator<WatchedPoint> {
  for (const { spec, numbers } of devices) {
    for (const [id, no] of numbers) {
      const point = describedPoint(spec, id);
      if (point?.alarms === undefined) continue;
      yield {
        ...{ no, device: spec.id, point: id },
        subject: subjectOf(spec, id),
        unit: point.unit,
        alarms: point.alarms,
        compile: compile && ((text, { inputs }) => compile(text, { spec, inputs })),
      };
    }
  }
}

export function* watchedAlarms(watched: WatchedPoint): Generator<WatchedAlarm> {
  const { device, point, subject, unit = '', compile } = watched;
  for (const [alarm, rule] of Object.entries(watched.alarms)) {
    const { when, suppress, group } = rule;
    const detector = detectorOf(
      rule,
      { subject, unit },
      when === undefined ? undefined : compile?.(when, rule),
    );
    const definition: AlarmDefinition = {
      ...{ device, point, alarm, priority: rule.priority, kind: detector.kind, needsAck: rule.acknowledge },
      message: rule.message ?? `${subject}: ${alarm}`,
      ...(group === undefined ? {} : { group: group.startsWith('/') ? group : `${device}/${group}` }),
    };
    const suppressed = suppress === undefined ? undefined : compile?.(suppress, rule);
    yield { definition, rule, detector, suppress: suppressed };
  }
}

/** How sentences call a point: "Pump 1 bearing temperature". */
export function subjectOf(spec: DeviceSpec, point: PointId): string {
  return `${spec.name ?? spec.id} ${describedPoint(spec, point)?.label ?? point.replaceAll('_', ' ')}`;
}
