import { type Clock, describeError, every, type Lifecycle, type Logger } from '@millwright/protocol';
import type { Journal } from './journal/journal.ts';

const LOOK_EVERY_MS = 10_000;
/** Daily corrections of NTP are far smaller; a leap second is one second. */
const JUMP_MS = 2000;

export interface ClockWatchDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly journal: Pick<Journal, 'appendGap'>;
}

/**
 * Notices that the wall clock was set, or stood still with the machine. Everything here that lasts is measured by the
 * monotonic clock and does not mind; whoever reads the history later has to know that its times do not join on.
 */
export class ClockWatch implements Lifecycle {
  readonly #deps: ClockWatchDeps;
  #originMs = 0;
  #cancel: (() => void) | undefined;

  constructor(deps: ClockWatchDeps) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    const { clock } = this.#deps;
    this.#originMs = clock.wallMs() - clock.monotonicMs();
    this.#cancel ??= every(clock, LOOK_EVERY_MS, () => this.#look());
  }

  async stop(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #look(): void {
    const { clock, journal, logger } = this.#deps;
    const wallMs = clock.wallMs();
    const expectedMs = this.#originMs + clock.monotonicMs();
    const byMs = Math.round(wallMs - expectedMs);
    this.#originMs += byMs;
    if (Math.abs(byMs) < JUMP_MS) return;
    const detail = `the wall clock was set ${byMs < 0 ? 'back' : 'ahead'} by ${Math.abs(byMs) / 1000} s`;
    logger.warn({ byMs }, detail);
    const fromMs = Math.round(Math.min(wallMs, expectedMs));
    const gap = { reason: 'clock-jump' as const, fromMs, toMs: fromMs + Math.abs(byMs), samples: 0, detail };
    journal
      .appendGap(gap)
      .catch((error: unknown) => logger.error({ error: describeError(error) }, `not recorded: ${detail}`));
  }
}
