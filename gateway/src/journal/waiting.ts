interface Waiter {
  readonly mark: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Callers waiting until something has come as far as they need. */
export class Waiting {
  #waiters: Waiter[] = [];

  /** The furthest anybody waits for. */
  get highest(): number | undefined {
    return this.#waiters.length === 0 ? undefined : Math.max(...this.#waiters.map(({ mark }) => mark));
  }

  add(mark: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ mark, resolve, reject });
    });
  }

  /** Everything up to `reached` is done. */
  resolve(reached: number): void {
    if (this.#waiters.length === 0) return;
    const done = this.#waiters.filter(({ mark }) => mark <= reached);
    this.#waiters = this.#waiters.filter(({ mark }) => mark > reached);
    for (const { resolve } of done) resolve();
  }

  rejectAll(error: unknown): void {
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }
}
