import { z } from 'zod';
import { DurationMs } from '../device/duration.ts';

const MIN_MS = 100;
const MAX_MS = 31 * 24 * 3600 * 1000;
/** Samples a window keeps when it says nothing else; the newest ones win. */
export const DEFAULT_WINDOW_SAMPLES = 4096;
export const MAX_WINDOW_SAMPLES = 65_536;

const WindowMs = DurationMs.refine((ms) => ms >= MIN_MS && ms <= MAX_MS, 'must be between 100ms and 31d');

/**
 * Which samples of a point are looked at together.
 * `tumbling`: one span after the other, aligned to UTC; the value is that of the last complete one.
 * `sliding`: the last so-and-so long, up to now.
 * `session`: samples that follow each other within the gap; the value is that of the last one that ended.
 * `count`: the last so-and-so many samples, once there are so many.
 */
export type WindowSpec =
  | { readonly kind: 'tumbling' | 'sliding'; readonly spanMs: number; readonly samples: number }
  | { readonly kind: 'session'; readonly gapMs: number; readonly samples: number }
  | { readonly kind: 'count'; readonly samples: number };

const KINDS = ['tumbling', 'sliding', 'session', 'count'] as const;

export const WindowText = z
  .strictObject({
    tumbling: WindowMs.optional(),
    sliding: WindowMs.optional(),
    session: WindowMs.optional(),
    count: z.int().min(1).max(MAX_WINDOW_SAMPLES).optional(),
    /** How many samples it keeps at most. */
    samples: z.int().min(1).max(MAX_WINDOW_SAMPLES).optional(),
  })
  .transform((window, context): WindowSpec => {
    const [kind, second] = KINDS.filter((each) => window[each] !== undefined);
    const { tumbling, sliding, session, count, samples = DEFAULT_WINDOW_SAMPLES } = window;
    if (kind === undefined || second !== undefined) {
      const message = `must be one of ${KINDS.join(', ')}, such as { sliding: 10m }`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    }
    if (count !== undefined) {
      if (window.samples === undefined) return { kind: 'count', samples: count };
      context.addIssue({ code: 'custom', message: 'has no meaning beside "count"', path: ['samples'] });
      return z.NEVER;
    }
    if (session !== undefined) return { kind: 'session', gapMs: session, samples };
    return tumbling === undefined
      ? { kind: 'sliding', spanMs: sliding ?? 0, samples }
      : { kind: 'tumbling', spanMs: tumbling, samples };
  });

export const AGGREGATES = ['min', 'max', 'avg', 'stddev', 'rate', 'sum', 'count', 'first', 'last'] as const;

/** What a window is boiled down to. `rate` is the change per second from its first to its last sample. */
export type AggregateSpec =
  | { readonly kind: (typeof AGGREGATES)[number] }
  | { readonly kind: 'percentile'; readonly percent: number };

/** `avg`, `max`, … or a percentile: `p95`, `p99.9`. */
export const AggregateText = z.string().transform((text, context): AggregateSpec => {
  const kind = AGGREGATES.find((each) => each === text);
  if (kind !== undefined) return { kind };
  const percent = /^p(\d{1,3}(?:\.\d+)?)$/.exec(text)?.[1];
  if (percent !== undefined && Number(percent) <= 100)
    return { kind: 'percentile', percent: Number(percent) };
  const message = `"${text}" is none of ${AGGREGATES.join(', ')} or a percentile such as p95`;
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});
