import type { ListedPending } from '../api/gateway-client.ts';

const MAX_POINTS = 6;

/** Found devices as lines for a person. */
export function pendingTable(items: readonly ListedPending[]): string {
  if (items.length === 0) return 'No device is waiting to be adopted.';
  const rows = items.map((item) => [
    item.id,
    item.source,
    item.client ?? item.maker ?? '',
    ago(item.lastSeenMs - item.firstSeenMs),
    pointsOf(item.points),
  ]);
  const head = ['ID', 'FOUND BY', 'FROM', 'SEEN FOR', 'POINTS'];
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd();
  const hint = 'Adopt one: millwright device adopt <id> --state <the state folder of the gateway>';
  return [line(head), ...rows.map(line), '', hint].join('\n');
}

function pointsOf(points: readonly string[]): string {
  const shown = points.slice(0, MAX_POINTS).join(', ');
  return points.length > MAX_POINTS
    ? `${shown} and ${points.length - MAX_POINTS} more`
    : shown || 'not described';
}

function ago(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.max(0, Math.round(ms / 1000))} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
}
