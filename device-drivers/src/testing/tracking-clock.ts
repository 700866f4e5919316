import type { Clock } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';

/** The machine's clock, counting the timers that have neither run nor been cancelled: after `stop` there are none. */
export class TrackingClock implements Clock {
  #pending = 0;

  get pending(): number {
    return this.#pending;
  }

  wallMs(): number {
    return systemClock.wallMs();
  }

  monotonicMs(): number {
    return systemClock.monotonicMs();
  }

  after(delayMs: number, run: () => void): () => void {
    let live = true;
    this.#pending++;
    const settle = () => {
      if (!live) return;
      live = false;
      this.#pending--;
    };
    const cancel = systemClock.after(delayMs, () => {
      settle();
      run();
    });
    return () => {
      settle();
      cancel();
    };
  }
}
