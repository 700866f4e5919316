import type { Driver } from '@millwright/device-drivers';
import { type Clock, type Lifecycle, type Logger, UnavailableError } from '@millwright/protocol';
import { DriverGuard, faultText } from './driver-guard.ts';
import type { LineFactory } from './line-factory.ts';
import { RestartCount } from './restart-count.ts';

const START_WITHIN_MS = 15_000;
const STOP_WITHIN_MS = 5_000;
const RETRY_FIRST_MS = 1_000;
const RETRY_LAST_MS = 60_000;
/** A driver that ran this long begins with short pauses again. */
const STEADY_AFTER_MS = 10 * 60_000;

export interface LineRunnerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** 0 … 1, for jitter. */
  readonly random: () => number;
  readonly load: () => Promise<LineFactory>;
  /** Makes the driver; a new one for every attempt, with the guard's clock and a guarded sink. */
  readonly create: (factory: LineFactory, guard: DriverGuard) => Driver;
  /** The driver cannot be started, or has failed while it ran; it is tried again. */
  readonly onFailed: (why: string) => void;
  readonly onRunning: () => void;
  /** It has failed five times within an hour, with the last reason; undefined: no longer. */
  readonly onFailing?: ((why: string | undefined) => void) | undefined;
}

/** One driver, and what keeps it from harming the others. */
interface Attempt {
  readonly guard: DriverGuard;
  driver?: Driver;
}

/**
 * Keeps the driver of one line running. A driver that cannot be loaded, created or started, does not start in time,
 * or fails while it runs is thrown away and made again after a growing, jittered pause; the other lines never notice.
 */
export class LineRunner implements Lifecycle {
  readonly name: string;
  readonly #deps: LineRunnerDeps;
  readonly #count: RestartCount;
  #attempt: Attempt | undefined;
  #isRunning = false;
  #runsSinceMs = 0;
  #working: Promise<void> | undefined;
  readonly #stopped = new AbortController();
  #cancelRetry: (() => void) | undefined;
  #retryMs = RETRY_FIRST_MS;
  #why = 'its driver has not started yet';

  constructor(name: string, deps: LineRunnerDeps) {
    this.name = name;
    this.#deps = deps;
    const onChanged = (isTooOften: boolean) => deps.onFailing?.(isTooOften ? this.#why : undefined);
    this.#count = new RestartCount({ clock: deps.clock, onChanged });
  }

  /** @throws UnavailableError `DRIVER_NOT_RUNNING` */
  get driver(): Driver {
    const driver = this.#attempt?.driver;
    if (driver !== undefined && this.#isRunning) return driver;
    throw new UnavailableError('DRIVER_NOT_RUNNING', `${this.name}: ${this.#why}`);
  }

  /** Returns at once; devices and drivers that are slow or broken hold nobody up. */
  async start(): Promise<void> {
    this.#working ??= this.#try();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#cancelRetry?.();
    this.#count.stop();
    await this.#working;
    await this.#discard();
  }

  async #try(): Promise<void> {
    const { clock, load, create, onRunning } = this.#deps;
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => undefined);
    const guard = new DriverGuard({
      clock,
      onFault: (error) => {
        if (this.#isRunning && this.#attempt === attempt) this.#working = this.#restart(error);
        else failed.reject(error);
      },
    });
    const attempt: Attempt = { guard };
    try {
      const factory = await load();
      if (this.#stopped.signal.aborted) return;
      this.#attempt = attempt;
      const driver = guard.driver(guard.run(() => create(factory, guard)));
      attempt.driver = driver;
      const starting = guard.run(() => driver.start({ signal: this.#stopped.signal }));
      await this.#within(START_WITHIN_MS, Promise.race([starting, failed.promise]), 'start');
      guard.throwIfFaulty();
      if (this.#stopped.signal.aborted) return;
      this.#isRunning = true;
      this.#runsSinceMs = clock.monotonicMs();
      onRunning();
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      await this.#discard();
      this.#fail(error, 'failed to start');
    }
  }

  async #restart(error: unknown): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    if (this.#deps.clock.monotonicMs() - this.#runsSinceMs >= STEADY_AFTER_MS) this.#retryMs = RETRY_FIRST_MS;
    this.#isRunning = false;
    this.#why = faultText(error);
    await this.#discard();
    if (!this.#stopped.signal.aborted) this.#fail(error, 'failed');
  }

  #fail(error: unknown, how: string): void {
    const { clock, logger, random, onFailed } = this.#deps;
    const pauseMs = this.#retryMs * (0.5 + random() / 2);
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_LAST_MS);
    this.#why = faultText(error);
    logger.error({ err: error, line: this.name, retryMs: pauseMs }, `${this.name}: driver ${how}`);
    onFailed(this.#why);
    this.#count.failed();
    this.#cancelRetry = clock.after(pauseMs, () => {
      this.#working = this.#try();
    });
  }

  async #discard(): Promise<void> {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#isRunning = false;
    if (attempt === undefined) return;
    const { driver, guard } = attempt;
    try {
      if (driver !== undefined) await this.#within(STOP_WITHIN_MS, driver.stop(), 'stop');
    } catch (error) {
      this.#deps.logger.error({ err: error, line: this.name }, `${this.name}: driver did not stop cleanly`);
    } finally {
      guard.end();
    }
  }

  async #within(limitMs: number, work: Promise<void>, what: string): Promise<void> {
    let cancel: (() => void) | undefined;
    const late = new Promise<never>((_, reject) => {
      cancel = this.#deps.clock.after(limitMs, () => {
        reject(new UnavailableError('DRIVER_HANGS', `the driver did not ${what} within ${limitMs / 1000} s`));
      });
    });
    try {
      await Promise.race([work, late]);
    } finally {
      cancel?.();
    }
  }
}
