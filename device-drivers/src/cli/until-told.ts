/** Ends with SIGINT, SIGTERM or the process that started this one. */
const ENDINGS = ['SIGINT', 'SIGTERM', 'disconnect'] as const;

/**
 * Runs `work` with a promise that resolves when this process is told to end.
 * Listening for `disconnect` keeps a child process alive, so the listeners go when the work is done or has failed.
 */
export async function untilTold(work: (told: Promise<void>) => Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = () => resolve();
  for (const ending of ENDINGS) process.on(ending, end);
  try {
    await work(promise);
  } finally {
    for (const ending of ENDINGS) process.off(ending, end);
  }
}
