import type { Clock } from '@millwright/protocol';

/** Timers hold no infinity. */
const LONGEST_SLEEP_MS = 60_000;

/** Workers that wait for the time or for something new to do. */
export class Sleepers {
  readonly #clock: Clock;
  readonly #waking = new Set<() => void>();

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  get any(): boolean {
    return this.#waking.size > 0;
  }

  /** Ends early when woken. */
  sleep(forMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waking.delete(wake);
        cancel();
        resolve();
      };
      const cancel = this.#clock.after(Math.min(forMs, LONGEST_SLEEP_MS), wake);
      this.#waking.add(wake);
    });
  }

  wakeOne(): void {
    const [first] = this.#waking;
    first?.();
  }

  wakeAll(): void {
    for (const wake of [...this.#waking]) wake();
  }
}
