import {
  type Clock,
  type DeviceSlug,
  type DeviceSpec,
  Kind,
  type LimitAlarm,
  type PointId,
  type PointNo,
  type SampleSink,
} from '@millwright/protocol';
import type { z } from 'zod';
import type { AlarmPriority } from './alarm-record.ts';
import type { AlarmRegister } from './alarm-register.ts';

const BAD = 2;

/** A point with limits, and how people call it. */
export interface LimitedPoint {
  readonly no: PointNo;
  readonly device: DeviceSlug;
  readonly point: PointId;
  /** "Pump 1 bearing temperature". */
  readonly subject: string;
  readonly unit?: string | undefined;
  readonly alarms: Readonly<Record<string, z.infer<typeof LimitAlarm>>>;
}

interface Rule {
  readonly device: DeviceSlug;
  readonly point: PointId;
  readonly alarm: string;
  readonly subject: string;
  readonly unit: string;
  readonly at: number;
  readonly off: number;
  readonly isHigh: boolean;
  readonly delayMs: number;
  readonly priority: AlarmPriority;
  isRaised: boolean;
  value: number;
  /** Set while the limit is exceeded and the delay runs. */
  cancelDelay: (() => void) | undefined;
}

/**
 * Watches points against the limits of their description. A value that is bad says nothing: an active alarm stays,
 * a delay that runs is broken off.
 * @see ISA-18.2: on-delay and deadband against chattering
 */
export class LimitAlarms {
  readonly #clock: Clock;
  readonly #register: AlarmRegister;
  /** By point number; most have none. */
  #rules: (Rule[] | undefined)[] = [];

  constructor(deps: { readonly clock: Clock; readonly register: AlarmRegister }) {
    this.#clock = deps.clock;
    this.#register = deps.register;
  }

  /** Replaces all limits. An active alarm whose limit is gone is cleared; the others go on. Needs the register started. */
  watch(points: Iterable<LimitedPoint>): void {
    this.stop();
    const rules: (Rule[] | undefined)[] = [];
    const names = new Set<string>();
    for (const point of points) {
      const own = Object.entries(point.alarms).map(([alarm, limit]) => this.#ruleOf(point, alarm, limit));
      if (own.length > 0) rules[point.no] = own;
      for (const rule of own) names.add(nameOf(rule));
    }
    this.#rules = rules;
    for (const alarm of this.#register.active()) {
      if (alarm.kind === 'limit' && !names.has(nameOf(alarm))) {
        this.#register.clear(alarm, `${alarm.message}: the limit is no longer watched`);
      }
    }
  }

  /** Breaks off the delays that run. */
  stop(): void {
    for (const rules of this.#rules) for (const rule of rules ?? []) endDelay(rule);
  }

  readonly accept: SampleSink = (batch) => {
    const rules = this.#rules;
    for (let row = 0; row < batch.length; row++) {
      const own = rules[batch.point[row] as number];
      if (own === undefined) continue;
      const kind = batch.kind[row] as number;
      if (((batch.quality[row] as number) & 3) === BAD || kind === Kind.null || kind === Kind.text) {
        for (const rule of own) endDelay(rule);
        continue;
      }
      const value =
        kind === Kind.int64 || kind === Kind.uint64
          ? Number(batch.valueAt(row))
          : (batch.value[row] as number);
      for (const rule of own) this.#judge(rule, value);
    }
  };

  #judge(rule: Rule, value: number): void {
    rule.value = value;
    if (rule.isRaised) {
      if (rule.isHigh ? value <= rule.off : value >= rule.off) this.#clear(rule);
      return;
    }
    const isBeyond = rule.isHigh ? value > rule.at : value < rule.at;
    if (!isBeyond) endDelay(rule);
    else if (rule.delayMs === 0) this.#raise(rule);
    else {
      rule.cancelDelay ??= this.#clock.after(rule.delayMs, () => {
        rule.cancelDelay = undefined;
        this.#raise(rule);
      });
    }
  }

  #raise(rule: Rule): void {
    rule.isRaised = true;
    const { device, point, alarm, priority, value } = rule;
    const side = rule.isHigh ? 'above' : 'below';
    const message = `${rule.subject} is ${quantity(value, rule.unit)}, ${side} ${quantity(rule.at, rule.unit)} (${priority})`;
    this.#register.raise({ device, point, alarm, priority, message, value, kind: 'limit' });
  }

  #clear(rule: Rule): void {
    rule.isRaised = false;
    const side = rule.isHigh ? 'above' : 'below';
    const message = `${rule.subject} is ${quantity(rule.value, rule.unit)}, no longer ${side} ${quantity(rule.at, rule.unit)}`;
    this.#register.clear(rule, message);
  }

  #ruleOf(point: LimitedPoint, alarm: string, limit: z.infer<typeof LimitAlarm>): Rule {
    const { at, off = at, delay = 0, priority } = limit;
    const { device, point: id, subject, unit = '' } = point;
    const isHigh = (limit.side ?? (off > at ? 'low' : 'high')) === 'high';
    return {
      device,
      point: id,
      alarm,
      subject,
      unit,
      at,
      off,
      isHigh,
      delayMs: delay,
      priority,
      isRaised: this.#register.isActive({ device, point: id, alarm }),
      value: at,
      cancelDelay: undefined,
    };
  }
}

/** A device with its points numbered. */
export interface NumberedDevice {
  readonly spec: DeviceSpec;
  readonly numbers: ReadonlyMap<PointId, PointNo>;
}

/** All points of these devices that have limits. */
export function* limitedPointsOf(devices: Iterable<NumberedDevice>): Generator<LimitedPoint> {
  for (const { spec, numbers } of devices) {
    for (const [id, no] of numbers) {
      const point = spec.points[id];
      if (point?.alarms === undefined) continue;
      const subject = subjectOf(spec, id);
      yield { no, device: spec.id, point: id, subject, unit: point.unit, alarms: point.alarms };
    }
  }
}

/** How sentences call a point: "Pump 1 bearing temperature". */
export function subjectOf(spec: DeviceSpec, point: PointId): string {
  return `${spec.name ?? spec.id} ${spec.points[point]?.label ?? point.replaceAll('_', ' ')}`;
}

function quantity(value: number, unit: string): string {
  const text = String(Number(value.toPrecision(6)));
  return unit === '' ? text : `${text} ${unit}`;
}

function nameOf({ device, point, alarm }: Pick<Rule, 'device' | 'point' | 'alarm'>): string {
  return `${device}/${point}/${alarm}`;
}

function endDelay(rule: Rule): void {
  if (rule.cancelDelay === undefined) return;
  rule.cancelDelay();
  rule.cancelDelay = undefined;
}
