/**
 * Something that runs. `start` and `stop` are idempotent; `stop` before `start` is legal.
 * `signal` cancels the start only: what has started is ended by `stop`.
 */
export interface Lifecycle {
  start(options?: { readonly signal?: AbortSignal }): Promise<void>;
  stop(): Promise<void>;
}

/** Starts in order; when one fails, stops those already started in reverse and rethrows. */
export async function startAll(
  parts: readonly Lifecycle[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const started: Lifecycle[] = [];
  for (const part of parts) {
    try {
      options.signal?.throwIfAborted();
      await part.start(options);
      started.push(part);
    } catch (error) {
      await stopAll([...started, part]).catch(() => undefined);
      throw error;
    }
  }
}

/**
 * Stops in reverse order and keeps stopping after an error.
 * @throws AggregateError of everything that went wrong
 */
export async function stopAll(parts: readonly Lifecycle[]): Promise<void> {
  const errors: unknown[] = [];
  for (const part of parts.toReversed()) {
    try {
      await part.stop();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, `${errors.length} parts did not stop cleanly`);
}
