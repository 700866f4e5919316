import { z } from 'zod';
import { DeviceSlug, PointId } from '../../ids.ts';
import { Principal } from './command.ts';

/** What a person may ask of an alarm. @see ISA-18.2 */
export const ALARM_ACTIONS = [
  'acknowledge',
  'shelve',
  'unshelve',
  'take-out-of-service',
  'return-to-service',
] as const;
export type AlarmAction = (typeof ALARM_ACTIONS)[number];

/** `/millwright/alarm/1`, region → gateway: one request, one receipt. */
export const AlarmCommand = z.object({
  id: z.string().min(8).max(64),
  device: DeviceSlug,
  point: PointId,
  alarm: z.string().min(1).max(200),
  action: z.enum(ALARM_ACTIONS),
  by: Principal,
  /** Needed to shelve and to take out of service. */
  reason: z.string().min(1).max(500).optional(),
  /** How long to shelve. */
  forMs: z.int().positive().optional(),
  issuedAtMs: z.number(),
  /** Not carried out after this wall time. */
  expiresAtMs: z.number(),
});
export type AlarmCommand = z.infer<typeof AlarmCommand>;
