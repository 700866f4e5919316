import type { Clock } from '@millwright/protocol';

const WITHIN_MS = 3_600_000;
const LIMIT = 5;

/** How often a driver failed within the last hour, and whether that is too often. */
export class RestartCount {
  readonly #clock: Clock;
  readonly #onChanged: (isTooOften: boolean) => void;
  #failedAtMs: number[] = [];
  #isTooOften = false;
  #cancelLook: (() => void) | undefined;

  constructor(deps: { readonly clock: Clock; readonly onChanged: (isTooOften: boolean) => void }) {
    this.#clock = deps.clock;
    this.#onChanged = deps.onChanged;
  }

  failed(): void {
    this.#failedAtMs.push(this.#clock.monotonicMs());
    if (this.#failedAtMs.length > LIMIT) this.#failedAtMs.shift();
    this.#look();
  }

  stop(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
  }

  #look(): void {
    this.stop();
    const fromMs = this.#clock.monotonicMs() - WITHIN_MS;
    this.#failedAtMs = this.#failedAtMs.filter((atMs) => atMs > fromMs);
    const isTooOften = this.#failedAtMs.length >= LIMIT;
    const [oldestMs] = this.#failedAtMs;
    // Quiet for as long as it takes the oldest failure to be forgotten: then the count is looked at again.
    if (oldestMs !== undefined) {
      this.#cancelLook = this.#clock.after(oldestMs - fromMs, () => this.#look());
    }
    if (isTooOften === this.#isTooOften) return;
    this.#isTooOften = isTooOften;
    this.#onChanged(isTooOften);
  }
}
