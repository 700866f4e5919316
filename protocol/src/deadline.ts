import type { Clock } from './clock.ts';
import { UnavailableError } from './errors.ts';

/**
 * Runs `work` with a signal that aborts when the caller's does, or after `withinMs` on `clock`.
 * @throws UnavailableError `TIMEOUT` naming `what`, when `work` heeds the signal; else whatever `work` throws
 */
export async function withDeadline<T>(
  options: {
    readonly clock: Clock;
    readonly withinMs: number;
    /** What took too long, as the subject of a sentence. */
    readonly what: string;
    readonly signal?: AbortSignal | undefined;
  },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock, withinMs, what, signal } = options;
  const controller = new AbortController();
  const abort = () => controller.abort(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  const cancel = clock.after(withinMs, () =>
    controller.abort(new UnavailableError('TIMEOUT', `${what} took longer than ${withinMs} ms`)),
  );
  try {
    return await work(controller.signal);
  } finally {
    cancel();
    signal?.removeEventListener('abort', abort);
  }
}
