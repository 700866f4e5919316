import type { ListedAlarm } from '../api/gateway-client.ts';
import { WORDS } from './alarm-state.ts';

/** Alarms for people, one line each. */
export function alarmTable(listed: {
  readonly items: readonly ListedAlarm[];
  readonly isFlooded: boolean;
}): string {
  if (listed.items.length === 0) return 'no alarms';
  const rows = listed.items.map((alarm) => [
    new Date(alarm.raisedAtMs).toISOString().slice(0, 19).replace('T', ' '),
    alarm.priority,
    WORDS[alarm.state],
    `${alarm.device} ${alarm.point} ${alarm.alarm}`,
    [alarm.message, ...notesOf(alarm)].join('; '),
  ]);
  const widths = [0, 1, 2, 3].map((at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  '));
  const flood = 'ALARM FLOOD: more alarms came in ten minutes than a person can deal with';
  return [...(listed.isFlooded ? [flood] : []), ...lines].join('\n');
}

function notesOf({ isFirst, isChattering, by, reason, shelvedUntilMs }: ListedAlarm): string[] {
  const until = shelvedUntilMs === undefined ? '' : ` until ${new Date(shelvedUntilMs).toISOString()}`;
  return [
    ...(isFirst ? ['the first of its group'] : []),
    ...(isChattering ? ['chattering'] : []),
    ...(by === undefined ? [] : [`${by}${until}${reason === undefined ? '' : `: ${reason}`}`]),
  ];
}
