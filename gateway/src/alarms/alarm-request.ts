import { ALARM_ACTIONS, InvalidInputError } from '@millwright/protocol';
import { z } from 'zod';
import type { EventType } from './alarm-event.ts';
import type { AlarmRecord } from './alarm-record.ts';
import type { AlarmInput } from './alarm-state.ts';

const HOUR_MS = 3_600_000;
/** Longer is no shelf: take the alarm out of service. */
export const MAX_SHELVED_MS = 7 * 24 * HOUR_MS;

/** What a person asks of an alarm. */
export const AlarmRequest = z.object({
  action: z.enum(ALARM_ACTIONS),
  /** Who, for the journal. */
  by: z.string().min(1).max(100),
  /** Needed to shelve and to take out of service. */
  reason: z.string().min(1).max(500).optional(),
  /** How long to shelve; default an hour, at most a week. */
  forMs: z.int().min(1000).max(MAX_SHELVED_MS).optional(),
});
export type AlarmRequest = z.infer<typeof AlarmRequest>;

interface Checked {
  /** For the journal. */
  readonly sentence: string;
  readonly change: Partial<Pick<AlarmRecord, 'by' | 'reason' | 'shelf'>>;
}

/** @throws InvalidInputError `REASON_MISSING` */
export function checkRequest(request: AlarmRequest, record: AlarmRecord, nowMs: number): Checked {
  const { action, by, reason } = request;
  const why = reason === undefined ? '' : ` (${reason})`;
  const who = reason === undefined ? { by } : { by, reason };
  switch (action) {
    case 'acknowledge':
      return { sentence: `${by} acknowledged: ${record.message}${why}`, change: who };
    case 'unshelve':
      return { sentence: `${by} unshelved: ${record.message}${why}`, change: {} };
    case 'return-to-service':
      return { sentence: `${by} put back in service: ${record.message}${why}`, change: {} };
    case 'take-out-of-service':
      needsReason(reason, 'taking an alarm out of service');
      return { sentence: `${by} took out of service: ${record.message}${why}`, change: who };
    case 'shelve': {
      needsReason(reason, 'shelving an alarm');
      const forMs = request.forMs ?? HOUR_MS;
      const sentence = `${by} shelved for ${lengthOf(forMs)}: ${record.message}${why}`;
      return { sentence, change: { ...who, shelf: { untilMs: nowMs + forMs, forMs } } };
    }
  }
}

const EVENTS: Readonly<Record<AlarmInput, EventType>> = {
  raise: 'alarm.raised',
  clear: 'alarm.cleared',
  acknowledge: 'alarm.acknowledged',
  shelve: 'alarm.shelved',
  unshelve: 'alarm.unshelved',
  suppress: 'alarm.suppressed',
  unsuppress: 'alarm.unsuppressed',
  'take-out-of-service': 'alarm.out-of-service',
  'return-to-service': 'alarm.in-service',
};

export function eventTypeOf(input: AlarmInput): EventType {
  return EVENTS[input];
}

function needsReason(reason: string | undefined, what: string): void {
  if (reason !== undefined) return;
  throw new InvalidInputError('REASON_MISSING', `reason: ${what} needs one`, {
    hint: 'say why in a few words; it is kept in the journal',
  });
}

function lengthOf(ms: number): string {
  if (ms < 60_000) return `${Math.round(ms / 1000)} s`;
  return ms < 2 * HOUR_MS ? `${Math.round(ms / 60_000)} min` : `${Math.round((10 * ms) / HOUR_MS) / 10} h`;
}
