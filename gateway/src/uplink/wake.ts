/** A latch between something that happens and one loop that waits for it: what happens before the wait is not lost. */
export class Wake {
  #isSet = false;
  #resolve: (() => void) | undefined;

  readonly set = (): void => {
    this.#isSet = true;
    this.#resolve?.();
  };

  /** Resolves once `set` was called since the last wait. @throws the signal's reason when aborted first */
  async wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#isSet) await this.#next(signal);
    this.#isSet = false;
  }

  #next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#resolve = undefined;
        reject(signal.reason);
      };
      this.#resolve = () => {
        signal.removeEventListener('abort', abort);
        this.#resolve = undefined;
        resolve();
      };
      signal.addEventListener('abort', abort, { once: true });
    });
  }
}
