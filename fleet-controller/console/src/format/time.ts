/** How long ago, in the one unit that says enough: `3 s`, `12 min`, `5 h`, `9 d`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const dated = new Intl.DateTimeFormat(undefined, {
  dateStyle: 'medium',
  timeStyle: 'medium',
  hourCycle: 'h23',
});

export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Time of day; with the date when it is not today. */
export function timeOf(epochMs: number, nowMs = Date.now()): string {
  const date = new Date(epochMs);
  return date.toDateString() === new Date(nowMs).toDateString() ? clock.format(date) : dated.format(date);
}

export const fullTime = (epochMs: number): string => `${dated.format(new Date(epochMs))} (${zone})`;
