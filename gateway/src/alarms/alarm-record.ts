import type { DeviceSlug, PointId } from '@millwright/protocol';
import { z } from 'zod';

export type AlarmPriority = 'low' | 'medium' | 'high' | 'critical';

/** What makes an alarm the same alarm: raised again while it is active, it changes nothing. */
export interface AlarmName {
  readonly device: DeviceSlug;
  readonly point: PointId;
  /** The key in the point's `alarms` block, or the detector's name. */
  readonly alarm: string;
}

export interface RaisedAlarm extends AlarmName {
  readonly priority: AlarmPriority;
  /** One sentence. */
  readonly message: string;
  readonly value?: number;
  /**
   * `limit` and `device` (raised by the device itself) go on over a restart; `anomaly` ends with it, because its
   * detector begins anew.
   */
  readonly kind: 'limit' | 'anomaly' | 'device';
}

export interface ActiveAlarm extends RaisedAlarm {
  readonly raisedAtMs: number;
}

/** An alarm on disk. The event identifiers are fixed first, so that an event written twice is seen once. */
export const AlarmRecord = z.object({
  device: z.string().max(64),
  point: z.string().max(128),
  alarm: z.string().max(200),
  priority: z.enum(['low', 'medium', 'high', 'critical']),
  kind: z.enum(['limit', 'anomaly', 'device']),
  message: z.string().max(1000),
  value: z.number().optional(),
  raisedAtMs: z.number(),
  raisedEvent: z.string().max(64),
  /** `raising`: the event may not be in the journal yet; likewise `clearing`. */
  state: z.enum(['raising', 'raised', 'clearing']),
  cleared: z
    .object({ event: z.string().max(64), atMs: z.number(), message: z.string().max(1000) })
    .optional(),
});
export type AlarmRecord = z.infer<typeof AlarmRecord>;

export function keyOf({ device, point, alarm }: { device: string; point: string; alarm: string }): string {
  return `${device}/${point}/${alarm}`;
}
