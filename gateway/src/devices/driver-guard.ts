import { AsyncLocalStorage } from 'node:async_hooks';
import type { Driver } from '@millwright/device-drivers';
import {
  type Clock,
  describeError,
  LimitError,
  type SampleSink,
  UnavailableError,
} from '@millwright/protocol';

/** A driver that has not answered this long after it was told to give up hangs. */
const ANSWER_WITHIN_MS = 60_000;
const MAX_TIMERS = 100_000;
/** Far beyond what a line can deliver: more is a driver gone wild. */
const MAX_ROWS_PER_S = 2_000_000;

/** Whose work is being done, across promises, timers and sockets. */
const atWork = new AsyncLocalStorage<DriverGuard>();

/**
 * For the process's last handlers of errors.
 * @returns whether the error came out of a driver's own work; then that driver is made anew and nothing else is touched
 */
export function blameDriver(error: unknown): boolean {
  const guard = atWork.getStore();
  guard?.fault(error);
  return guard !== undefined;
}

/**
 * Stands between one driver and the gateway: what the driver throws, leaves behind, delivers without end or never
 * answers becomes one fault of this driver.
 */
export class DriverGuard {
  readonly clock: Clock;
  readonly #clock: Clock;
  readonly #onFault: (error: unknown) => void;
  readonly #timers = new Set<() => void>();
  #isEnded = false;
  #fault: { readonly error: unknown } | undefined;
  #secondMs = Number.NEGATIVE_INFINITY;
  #rows = 0;

  /** @param deps.onFault called once at most */
  constructor(deps: { readonly clock: Clock; readonly onFault: (error: unknown) => void }) {
    this.#clock = deps.clock;
    this.#onFault = deps.onFault;
    this.clock = {
      wallMs: () => deps.clock.wallMs(),
      monotonicMs: () => deps.clock.monotonicMs(),
      after: (delayMs, run) => this.#after(delayMs, run),
    };
  }

  fault(error: unknown): void {
    if (this.#isEnded) return;
    this.#fault = { error };
    this.end();
    this.#onFault(error);
  }

  /** Throws what the driver did wrong, if it did. */
  throwIfFaulty(): void {
    if (this.#fault !== undefined) throw this.#fault.error;
  }

  /** Takes away the timers the driver left; what it still does is nobody's business. */
  end(): void {
    this.#isEnded = true;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  /** Runs the driver's own code, so that errors that come out of it later are known to be its own. */
  run<T>(work: () => T): T {
    return atWork.run(this, work);
  }

  /** What the gateway does with samples is not the driver's work. */
  sink(accept: SampleSink): SampleSink {
    return (batch) => {
      if (this.#isEnded || !this.#mayDeliver(batch.length)) return;
      atWork.exit(() => accept(batch));
    };
  }

  driver(driver: Driver): Driver {
    return {
      start: (options) => this.run(() => driver.start(options)),
      stop: () => this.run(() => driver.stop()),
      write: (device, point, value, options) =>
        this.#answered('write', options.signal, () => driver.write(device, point, value, options)),
      read: (device, point, options) =>
        this.#answered('read', options.signal, () => driver.read(device, point, options)),
      ...(driver.describeWrite === undefined
        ? {}
        : { describeWrite: (device, point, value) => driver.describeWrite?.(device, point, value) ?? '' }),
    };
  }

  /** A driver that minds its signal always answers; one that does not is made anew. */
  #answered<T>(what: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    let cancel: (() => void) | undefined;
    const late = () => {
      cancel ??= this.#clock.after(ANSWER_WITHIN_MS, () => {
        const message = `the driver did not answer a ${what} within ${ANSWER_WITHIN_MS / 1000} s`;
        this.fault(new UnavailableError('DRIVER_HANGS', message));
      });
    };
    if (signal.aborted) late();
    else signal.addEventListener('abort', late, { once: true });
    const done = () => {
      signal.removeEventListener('abort', late);
      cancel?.();
    };
    // A driver may throw before it has made a promise.
    return this.run(async () => work()).finally(done);
  }

  #after(delayMs: number, run: () => void): () => void {
    if (this.#isEnded) return () => undefined;
    const cancel = this.#clock.after(delayMs, () => {
      this.#timers.delete(cancel);
      try {
        this.run(run);
      } catch (error) {
        this.fault(error);
      }
    });
    this.#timers.add(cancel);
    if (this.#timers.size > MAX_TIMERS) {
      this.fault(new LimitError('DRIVER_LEAKS', `the driver has more than ${MAX_TIMERS} timers pending`));
    }
    return () => {
      this.#timers.delete(cancel);
      cancel();
    };
  }

  #mayDeliver(rows: number): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#secondMs >= 1000) {
      this.#secondMs = nowMs;
      this.#rows = 0;
    }
    this.#rows += rows;
    if (this.#rows <= MAX_ROWS_PER_S) return true;
    const message = `the driver delivered more than ${MAX_ROWS_PER_S} samples within a second`;
    this.fault(new LimitError('DRIVER_FLOODS', message));
    return false;
  }
}

/** For logs and people. */
export function faultText(error: unknown): string {
  return error instanceof Error ? describeError(error) : `it threw ${String(error).slice(0, 200)}`;
}
