import type { Logger } from '@millwright/protocol';
import type { ModbusBus } from './bus.ts';

/** Answers in a row before one more request at once is tried. */
const GROW_AFTER = 20;
/** How long a line is left at one request at a time after its peer did not bear more; longer each time. */
const FIRST_PAUSE_MS = 10 * 60_000;
const LONGEST_PAUSE_MS = 24 * 3_600_000;

/**
 * How many requests a line keeps under way. Without a number in the device file it is one to a connection; when
 * scans do not fit into their period more are tried, and given up at the first sign that the peer does not bear it.
 */
export class Depth {
  readonly #logger: Logger;
  readonly #bus: ModbusBus;
  readonly #isAuto: boolean;
  #now = 1;
  #floor = 1;
  #answers = 0;
  #notBeforeMs = 0;
  #pauseMs = FIRST_PAUSE_MS;

  constructor(deps: { readonly logger: Logger; readonly bus: ModbusBus }, isAuto: boolean) {
    this.#logger = deps.logger;
    this.#bus = deps.bus;
    this.#isAuto = isAuto;
  }

  get now(): number {
    return this.#now;
  }

  /** A connection begins: it may allow fewer than the last. */
  opened(): void {
    this.#floor = Math.min(this.#bus.connections, this.#bus.slots);
    this.#now = this.#isAuto ? this.#floor : this.#bus.slots;
    this.#answers = 0;
  }

  answered(): void {
    this.#answers++;
  }

  /** Scans come late. @returns whether there are more at once from now on */
  growFor(nowMs: number): boolean {
    if (!this.#isAuto || this.#answers < GROW_AFTER || nowMs < this.#notBeforeMs) return false;
    if (this.#now >= this.#bus.slots) return false;
    this.#now = Math.min(this.#bus.slots, 2 * this.#now);
    this.#answers = 0;
    this.#logger.info({ line: this.#bus.name, requests: this.#now }, 'asking more at once');
    return true;
  }

  /**
   * A request failed while `underWay` were under way, itself included.
   * @returns whether that is put down to their number: it is one to a connection again, and nobody else is to blame
   */
  takesBlame(underWay: number, nowMs: number): boolean {
    if (!this.#isAuto || underWay <= this.#floor || this.#now <= this.#floor) return false;
    this.#now = this.#floor;
    this.#answers = 0;
    this.#notBeforeMs = nowMs + this.#pauseMs;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * this.#pauseMs);
    this.#logger.info({ line: this.#bus.name }, 'does not bear several requests at once: one at a time');
    return true;
  }
}
