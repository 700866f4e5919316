import { type Clock, every, type Lifecycle, type Value } from '@millwright/protocol';

/** Machines move in steps of this length whatever the timer does, so that a run can be repeated exactly. */
export const STEP_MS = 100;

/**
 * A simulated machine: named values that change with time. Pure: no I/O and no clock, and all randomness
 * comes from its seed. Names are the point ids of the device type it stands for.
 */
export interface Machine {
  /** Moves on by `STEP_MS`. Values change only here and by commands. */
  step(): void;
  readonly values: Readonly<Record<string, () => Value>>;
  /** @returns false when the machine refuses the value */
  readonly commands: Readonly<Record<string, (value: Value) => boolean>>;
}

export interface MachineRunDeps {
  readonly clock: Clock;
  readonly machines: readonly Machine[];
  /** Called after the machines have moved. */
  readonly onMoved?: () => void;
}

/** More than this is not made up for after a pause, such as a laptop's sleep. */
const MAX_STEPS_AT_ONCE = 36_000;

/** Moves machines along with the clock, `speed` times as fast. */
export class MachineRun implements Lifecycle {
  readonly #deps: MachineRunDeps;
  readonly #speed: number;
  #cancel: (() => void) | undefined;

  constructor(deps: MachineRunDeps, config: { readonly speed?: number } = {}) {
    this.#deps = deps;
    this.#speed = config.speed ?? 1;
  }

  async start(): Promise<void> {
    if (this.#cancel !== undefined) return;
    const { clock, machines, onMoved } = this.#deps;
    let originMs = clock.monotonicMs();
    let done = 0;
    this.#cancel = every(clock, STEP_MS, () => {
      const nowMs = clock.monotonicMs();
      const due = Math.floor(((nowMs - originMs) * this.#speed) / STEP_MS);
      const steps = Math.min(due - done, MAX_STEPS_AT_ONCE);
      if (due - done > steps) {
        originMs = nowMs;
        done = 0;
      } else done = due;
      for (const machine of machines) for (let i = 0; i < steps; i++) machine.step();
      if (steps > 0) onMoved?.();
    });
  }

  async stop(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

/** Sensors tell what they resolve, not 15 digits. */
export function resolved(value: number, resolution: number): number {
  const perUnit = Math.round(1 / resolution);
  return Math.round(value * perUnit) / perUnit;
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

/** @returns the value as a number inside the range, or undefined */
export function numberWithin(value: Value, low: number, high: number): number | undefined {
  const number = typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && number >= low && number <= high ? number : undefined;
}
