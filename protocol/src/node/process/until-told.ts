/** Ctrl-C, a service manager's stop, a closed terminal, or the end of the process that started this one. */
const ENDINGS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect'] as const;
type Ending = (typeof ENDINGS)[number];

/** What lasts until this process is told to end: a signal for work under way, a promise for waiting. */
export interface Told {
  readonly signal: AbortSignal;
  readonly promise: Promise<void>;
}

/**
 * Runs `work` and hands it what tells it to end. What `work` throws once it was told to end is taken for its answer.
 * Listening for `disconnect` keeps a child process alive, so the listeners go when the work is done or has failed.
 * @param except what means something else to this process, such as SIGHUP for reading its files again
 */
export async function untilTold(
  work: (told: Told) => Promise<void>,
  { except = [] }: { readonly except?: readonly Ending[] } = {},
): Promise<void> {
  const told = new AbortController();
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = () => {
    told.abort(new Error('told to end'));
    resolve();
  };
  const endings = ENDINGS.filter((ending) => !except.includes(ending));
  for (const ending of endings) process.on(ending, end);
  try {
    await work({ signal: told.signal, promise });
  } catch (error) {
    if (!told.signal.aborted) throw error;
  } finally {
    for (const ending of endings) process.off(ending, end);
  }
}
