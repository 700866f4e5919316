import { MillwrightError } from '@millwright/protocol';

/** Aborted at Ctrl-C, SIGTERM, a closed terminal, or when the process that started this one is gone. */
export function askedToStop(): AbortSignal {
  const asked = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect']) {
    process.once(signal, () => asked.abort(new MillwrightError('STOPPED', 'asked to stop')));
  }
  return asked.signal;
}

/** Resolves when `signal` is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
