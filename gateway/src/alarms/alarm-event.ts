import { randomUUID } from 'node:crypto';
import type { EventRecord, JsonValue } from '@millwright/protocol';
import type { AlarmRecord } from './alarm-record.ts';
import { stateOf } from './alarm-state.ts';

export type EventType = Extract<EventRecord['type'], `alarm.${string}`>;

/** A line of the journal about one alarm: what happened, and all that a reader needs to know where it stands. */
export function alarmEvent(
  type: EventType,
  record: AlarmRecord,
  { atMs, sentence }: { readonly atMs: number; readonly sentence: string },
): EventRecord {
  const { device, point, alarm, priority, kind, value, group, isFirst, by, reason, shelf, status } = record;
  const data: Record<string, JsonValue> = {
    ...{ alarm, priority, kind },
    state: stateOf(status),
    text: record.message,
    sinceMs: record.raisedAtMs,
    ...(value === undefined ? {} : { value }),
    ...(group === undefined ? {} : { group }),
    ...(isFirst ? { isFirst } : {}),
    ...(by === undefined ? {} : { by }),
    ...(reason === undefined ? {} : { reason }),
    ...(shelf === undefined ? {} : { shelvedUntilMs: shelf.untilMs }),
  };
  return { id: `evt_${randomUUID()}`, atMs, type, device, point, message: sentence, data };
}
