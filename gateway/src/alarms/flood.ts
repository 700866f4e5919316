import { type Clock, describeError, type EventRecord, type Logger } from '@millwright/protocol';
import type { Kv } from '../journal/kv/kv.ts';

const KEY = ['alarm-flood'];
const WITHIN_MS = 10 * 60_000;
/** More than this in ten minutes is a flood; it is over when fewer than `ENDS_BELOW` came in ten minutes. */
const STARTS_ABOVE = 10;
const ENDS_BELOW = 5;
const CHECK_EVERY_MS = 10_000;
const MAX_COUNTED = 1000;

export interface FloodWatchDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly kv: Pick<Kv, 'set' | 'delete' | 'list'>;
  readonly note?:
    | ((
        type: EventRecord['type'],
        message: string,
        more?: Pick<EventRecord, 'device' | 'point' | 'data'>,
      ) => void)
    | undefined;
}

/**
 * Counts how many alarms one operator has to deal with.
 * @see ISA-18.2 §16.5: a flood begins with more than 10 alarms in 10 minutes and ends with fewer than 5
 */
export class FloodWatch {
  readonly #deps: FloodWatchDeps;
  #raisedAtMs: number[] = [];
  #isFlooded = false;
  #cancelCheck: (() => void) | undefined;

  constructor(deps: FloodWatchDeps) {
    this.#deps = deps;
  }

  get isFlooded(): boolean {
    return this.#isFlooded;
  }

  /** A flood that had begun before the restart ends when it is quiet. */
  async start(): Promise<void> {
    const rows = await this.#deps.kv.list({ prefix: KEY }, { limit: 1 });
    this.#isFlooded = rows.length > 0;
    if (this.#isFlooded) this.#checkLater();
  }

  stop(): void {
    this.#cancelCheck?.();
    this.#cancelCheck = undefined;
  }

  raised(): void {
    this.#raisedAtMs.push(this.#deps.clock.monotonicMs());
    if (this.#raisedAtMs.length > MAX_COUNTED) this.#raisedAtMs.shift();
    const count = this.#count();
    if (this.#isFlooded || count <= STARTS_ABOVE) return;
    this.#isFlooded = true;
    const message = `alarm flood: ${count} alarms within 10 minutes`;
    this.#deps.logger.warn({ alarms: count }, message);
    this.#deps.note?.('alarm.flood', message, { data: { alarms: count } });
    this.#keep(true);
    this.#checkLater();
  }

  #count(): number {
    const fromMs = this.#deps.clock.monotonicMs() - WITHIN_MS;
    const first = this.#raisedAtMs.findIndex((atMs) => atMs >= fromMs);
    this.#raisedAtMs.splice(0, first < 0 ? this.#raisedAtMs.length : first);
    return this.#raisedAtMs.length;
  }

  #checkLater(): void {
    this.#cancelCheck = this.#deps.clock.after(CHECK_EVERY_MS, () => {
      const count = this.#count();
      if (count >= ENDS_BELOW) {
        this.#checkLater();
        return;
      }
      this.#cancelCheck = undefined;
      this.#isFlooded = false;
      const message = `the alarm flood is over: ${count} alarms within 10 minutes`;
      this.#deps.logger.info({ alarms: count }, message);
      this.#deps.note?.('alarm.flood-ended', message, { data: { alarms: count } });
      this.#keep(false);
    });
  }

  #keep(isFlooded: boolean): void {
    const { kv, clock, logger } = this.#deps;
    const written = isFlooded ? kv.set([...KEY, 'since'], clock.wallMs()) : kv.delete([...KEY, 'since']);
    written.catch((error: unknown) =>
      logger.debug({ error: describeError(error) }, 'whether there is an alarm flood is not kept'),
    );
  }
}
