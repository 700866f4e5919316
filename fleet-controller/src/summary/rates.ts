import { type Clock, every, type Lifecycle } from '@millwright/protocol';

const WINDOW_MS = 10_000;
const MARK_EVERY_MS = 1000;

interface Mark {
  readonly atMs: number;
  readonly stored: number;
  readonly live: number;
}

/** How fast two counters grow, averaged over the last ten seconds. */
export class Rates implements Lifecycle {
  readonly #clock: Clock;
  readonly #count: () => { readonly stored: number; readonly live: number };
  #marks: Mark[] = [];
  #stop: (() => void) | undefined;

  constructor(deps: {
    readonly clock: Clock;
    readonly count: () => { readonly stored: number; readonly live: number };
  }) {
    this.#clock = deps.clock;
    this.#count = deps.count;
  }

  async start(): Promise<void> {
    if (this.#stop !== undefined) return;
    this.#marks = [this.#mark()];
    this.#stop = every(this.#clock, MARK_EVERY_MS, () => {
      const mark = this.#mark();
      this.#marks = [...this.#marks.filter(({ atMs }) => mark.atMs - atMs <= WINDOW_MS), mark];
    });
  }

  async stop(): Promise<void> {
    this.#stop?.();
    this.#stop = undefined;
  }

  /** Per second. */
  now(): { readonly stored: number; readonly live: number } {
    const [oldest] = this.#marks;
    const mark = this.#mark();
    const seconds = oldest === undefined ? 0 : (mark.atMs - oldest.atMs) / 1000;
    if (oldest === undefined || seconds < 1) return { stored: 0, live: 0 };
    const perS = (grown: number) => Math.round((grown / seconds) * 10) / 10;
    return { stored: perS(mark.stored - oldest.stored), live: perS(mark.live - oldest.live) };
  }

  #mark(): Mark {
    return { atMs: this.#clock.monotonicMs(), ...this.#count() };
  }
}
