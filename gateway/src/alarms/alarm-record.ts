import { type DeviceSlug, EventRecord, type PointId } from '@millwright/protocol';
import { z } from 'zod';
import { type AlarmState, type AlarmStatus, stateOf } from './alarm-state.ts';

export type AlarmPriority = 'low' | 'medium' | 'high' | 'critical';

/**
 * What finds an alarm: a rule of the point's description, a `device` itself, an `automation`, or an `anomaly` detector
 * or the `gateway`, which begin anew with the process.
 */
export const ALARM_SOURCES = [
  'limit',
  'state',
  'rate',
  'quality',
  'expression',
  'device',
  'automation',
  'anomaly',
  'gateway',
] as const;
export type AlarmSource = (typeof ALARM_SOURCES)[number];

/** What makes an alarm the same alarm: raised again while it is active, it changes nothing. */
export interface AlarmName {
  readonly device: DeviceSlug;
  readonly point: PointId;
  /** The key in the point's `alarms` block, or the detector's name. */
  readonly alarm: string;
}

/** An alarm that can be, raised or not. */
export interface AlarmDefinition extends AlarmName {
  readonly priority: AlarmPriority;
  /** One sentence. */
  readonly message: string;
  readonly kind: AlarmSource;
  /** Whether it stays listed after it is over until it was acknowledged; default true but for anomalies. */
  readonly needsAck?: boolean;
  /** The first alarm of a group to be raised is marked. */
  readonly group?: string;
}

export interface RaisedAlarm extends AlarmDefinition {
  readonly value?: number;
}

export interface ActiveAlarm extends RaisedAlarm {
  readonly raisedAtMs: number;
}

/** An alarm that is not normal, as people see it. */
export interface AlarmView extends ActiveAlarm {
  readonly state: AlarmState;
  /** Whether the condition holds, also while nobody is told. */
  readonly isActive: boolean;
  /** The first of its group to come. */
  readonly isFirst: boolean;
  readonly isChattering: boolean;
  /** Who acknowledged, shelved or took it out of service, and why. */
  readonly by?: string;
  readonly reason?: string;
  readonly shelvedUntilMs?: number;
}

const Told = z.enum(['normal', 'unacknowledged', 'acknowledged', 'returned']);

/** An alarm on disk, until it is normal. */
export const AlarmRecord = z.object({
  device: z.string().max(64),
  point: z.string().max(128),
  alarm: z.string().max(200),
  priority: z.enum(['low', 'medium', 'high', 'critical']),
  kind: z.enum(ALARM_SOURCES),
  message: z.string().max(1000),
  value: z.number().optional(),
  raisedAtMs: z.number(),
  needsAck: z.boolean(),
  group: z.string().max(200).optional(),
  isFirst: z.boolean(),
  status: z.object({
    isActive: z.boolean(),
    told: Told,
    isShelved: z.boolean(),
    isSuppressed: z.boolean(),
    isOutOfService: z.boolean(),
  }),
  by: z.string().max(100).optional(),
  reason: z.string().max(500).optional(),
  /** `forMs` bounds what is left after a restart, whatever the wall clock says by then. */
  shelf: z.object({ untilMs: z.number(), forMs: z.number() }).optional(),
  /** Not in the journal for sure: it is written again at the start, under the same identifier. */
  event: EventRecord.optional(),
});
export type AlarmRecord = z.infer<typeof AlarmRecord>;

export function keyOf({ device, point, alarm }: { device: string; point: string; alarm: string }): string {
  return `${device}/${point}/${alarm}`;
}

export function isNormal({ status }: { readonly status: AlarmStatus }): boolean {
  return stateOf(status) === 'normal';
}

/** Alarms whose source begins anew with the process. */
export function endsWithProcess(kind: AlarmSource): boolean {
  return kind === 'anomaly' || kind === 'gateway';
}
