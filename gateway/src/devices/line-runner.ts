import type { Driver } from '@millwright/device-drivers';
import {
  type Clock,
  describeError,
  type Lifecycle,
  type Logger,
  UnavailableError,
} from '@millwright/protocol';
import type { LineFactory } from './line-factory.ts';

const START_WITHIN_MS = 15_000;
const STOP_WITHIN_MS = 5_000;
const RETRY_FIRST_MS = 1_000;
const RETRY_LAST_MS = 60_000;

export interface LineRunnerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** 0 … 1, for jitter. */
  readonly random: () => number;
  readonly load: () => Promise<LineFactory>;
  /** Makes the driver; a new one for every attempt. */
  readonly create: (factory: LineFactory) => Driver;
  /** The driver cannot be started; it is tried again. */
  readonly onFailed: (why: string) => void;
  readonly onRunning: () => void;
}

/**
 * Keeps the driver of one line running. A driver that cannot be loaded, created or started, or does not start
 * in time, is thrown away and made again after a growing, jittered pause; the other lines never notice.
 */
export class LineRunner implements Lifecycle {
  readonly name: string;
  readonly #deps: LineRunnerDeps;
  #driver: Driver | undefined;
  #isRunning = false;
  #attempt: Promise<void> | undefined;
  readonly #stopped = new AbortController();
  #cancelRetry: (() => void) | undefined;
  #retryMs = RETRY_FIRST_MS;
  #why = 'its driver has not started yet';

  constructor(name: string, deps: LineRunnerDeps) {
    this.name = name;
    this.#deps = deps;
  }

  /** @throws UnavailableError `DRIVER_NOT_RUNNING` */
  get driver(): Driver {
    if (this.#driver !== undefined && this.#isRunning) return this.#driver;
    throw new UnavailableError('DRIVER_NOT_RUNNING', `${this.name}: ${this.#why}`);
  }

  /** Returns at once; devices and drivers that are slow or broken hold nobody up. */
  async start(): Promise<void> {
    this.#attempt ??= this.#try();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#cancelRetry?.();
    await this.#attempt;
    await this.#discard();
  }

  async #try(): Promise<void> {
    const { load, create, onRunning } = this.#deps;
    try {
      const factory = await load();
      if (this.#stopped.signal.aborted) return;
      this.#driver = create(factory);
      await this.#within(START_WITHIN_MS, this.#driver.start({ signal: this.#stopped.signal }), 'start');
      if (this.#stopped.signal.aborted) return;
      this.#isRunning = true;
      onRunning();
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      await this.#discard();
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    const { clock, logger, random, onFailed } = this.#deps;
    const pauseMs = this.#retryMs * (0.5 + random() / 2);
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_LAST_MS);
    this.#why = describeError(error);
    logger.error({ err: error, line: this.name, retryMs: pauseMs }, `${this.name}: driver failed to start`);
    onFailed(this.#why);
    this.#cancelRetry = clock.after(pauseMs, () => {
      this.#attempt = this.#try();
    });
  }

  async #discard(): Promise<void> {
    const driver = this.#driver;
    this.#driver = undefined;
    this.#isRunning = false;
    if (driver === undefined) return;
    try {
      await this.#within(STOP_WITHIN_MS, driver.stop(), 'stop');
    } catch (error) {
      this.#deps.logger.error({ err: error, line: this.name }, `${this.name}: driver did not stop cleanly`);
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
