import { STEP_MS } from '../machine.ts';

const DAY_MS = 86_400_000;

/** The simulated time of day, which load, weather and people follow. */
export class TimeOfDay {
  #ms: number;

  /** @param startMs epoch; the place keeps UTC */
  constructor(startMs: number) {
    this.#ms = startMs % DAY_MS;
  }

  step(): void {
    this.#ms = (this.#ms + STEP_MS) % DAY_MS;
  }

  /** 0 … 24 */
  get hour(): number {
    return this.#ms / 3_600_000;
  }

  /** 1 during working hours, 0 at night, with soft edges. */
  get working(): number {
    const hour = this.hour;
    const edge = (at: number) => 1 / (1 + Math.exp(-(hour - at) * 2.5));
    return edge(7.5) * (1 - edge(18));
  }

  /** −1 at four in the morning … 1 at four in the afternoon. */
  get warmth(): number {
    return -Math.cos(((this.hour - 4) / 24) * 2 * Math.PI);
  }
}
