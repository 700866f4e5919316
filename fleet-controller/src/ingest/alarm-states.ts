import type { EventRecord, JournalEntry } from '@millwright/protocol';
import type { Transaction } from 'kysely';
import type { Tables } from '../store/tables.ts';
import type { GatewayLines } from './directory.ts';
import { deviceOf, storable, wholeMs } from './storable.ts';

type EventEntry = Extract<JournalEntry, { kind: 'event' }>;

/** Where an event says its alarm stands; undefined when it says nothing about that. */
function stateOf({ type, data }: EventRecord): string | undefined {
  if (!type.startsWith('alarm.')) return undefined;
  if (typeof data?.state === 'string') return storable(data.state).slice(0, 30);
  // Gateways that know no states.
  if (type === 'alarm.raised') return 'unacknowledged';
  return type === 'alarm.cleared' ? 'normal' : undefined;
}

/** Keeps the list of alarms that are not normal as the last event about each leaves it. */
export async function followAlarms(
  trx: Transaction<Tables>,
  gateway: GatewayLines,
  events: readonly EventEntry[],
): Promise<void> {
  const last = new Map<string, EventEntry>();
  for (const entry of events) {
    const { device, point } = entry.event;
    if (stateOf(entry.event) === undefined) continue;
    last.set(JSON.stringify([device ?? '', point ?? '', alarmOf(entry)]), entry);
  }
  for (const entry of last.values()) {
    const { event } = entry;
    const { data = {} } = event;
    const alarm = {
      gateway: gateway.key,
      device_id: deviceOf(gateway, event.device) ?? '',
      point: storable(event.point ?? ''),
      alarm: storable(alarmOf(entry)),
    };
    const state = stateOf(event) ?? 'normal';
    if (state === 'normal') {
      await trx
        .deleteFrom('alarms')
        .where('gateway', '=', alarm.gateway)
        .where('device_id', '=', alarm.device_id)
        .where('point', '=', alarm.point)
        .where('alarm', '=', alarm.alarm)
        .execute();
      continue;
    }
    const now = {
      message: storable(typeof data.text === 'string' ? data.text : event.message),
      since_ms: wholeMs(typeof data.sinceMs === 'number' ? data.sinceMs : event.atMs),
      state,
      priority: typeof data.priority === 'string' ? storable(data.priority) : null,
      note: noteOf(data),
    };
    await trx
      .insertInto('alarms')
      .values({ ...alarm, ...now })
      .onConflict((conflict) => conflict.columns(['gateway', 'device_id', 'point', 'alarm']).doUpdateSet(now))
      .execute();
  }
}

function noteOf({ by, reason }: NonNullable<EventRecord['data']>): string | null {
  if (typeof by !== 'string') return null;
  return storable(typeof reason === 'string' ? `${by}: ${reason}` : by);
}

function alarmOf({ event }: EventEntry): string {
  return String(event.data?.alarm ?? '');
}
