/** The only source of time. Wall time may jump; durations and timers use the monotonic one. */
export interface Clock {
  /** Integer epoch milliseconds, UTC. */
  wallMs(): number;
  /** Milliseconds since an arbitrary origin; never goes back. */
  monotonicMs(): number;
  /** Calls `run` once after `delayMs`; the returned function cancels it and may be called twice. */
  after(delayMs: number, run: () => void): () => void;
}

/** Resolves after `delayMs` on `clock`; rejects with the signal's reason when aborted first. */
export function delay(
  clock: Clock,
  delayMs: number,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    });
    signal?.addEventListener('abort', abort, { once: true });
  });
}

/** Repeats `run` every `periodMs` without drift until the returned function is called. Missed ticks are not made up for. */
export function every(clock: Clock, periodMs: number, run: () => void): () => void {
  let stopped = false;
  let due = clock.monotonicMs() + periodMs;
  let cancel = clock.after(periodMs, tick);
  function tick() {
    if (stopped) return;
    const now = clock.monotonicMs();
    due += periodMs * (1 + Math.max(0, Math.floor((now - due) / periodMs)));
    cancel = clock.after(due - now, tick);
    run();
  }
  return () => {
    stopped = true;
    cancel();
  };
}
