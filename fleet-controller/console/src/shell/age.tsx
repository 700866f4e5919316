import { age, fullTime } from '../format/time.ts';
import { useNow } from '../live/hooks.ts';

/** "12 s ago", ticking; the full time on hover and for screen readers that ask for it. */
export function Age({ atMs, never = 'never' }: { readonly atMs: number | null; readonly never?: string }) {
  const now = useNow();
  if (atMs === null) return <span className="quiet">{never}</span>;
  return (
    <time className="quiet number" dateTime={new Date(atMs).toISOString()} title={fullTime(atMs)}>
      {age(now - atMs)}
      <span className="ago"> ago</span>
    </time>
  );
}
