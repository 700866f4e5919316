import type { PointNo } from '@millwright/protocol';

const FIRST_ROOM = 64;
/** What a point's doors stand at. */
const CLOSED = 0;
const OPEN = 1;
const HOLDING = 2;

/**
 * Swinging-door compression: of each point, the last reported sample (the pivot) and the bundle of lines from there that
 * pass all samples since within the tolerance. The newest sample is held back while a line of the bundle ends in it, so
 * every reported sample can be joined to the one before by a straight line that misses no sample in between by more than
 * the tolerance. Columns by point number; nothing is allocated per sample.
 * @see Bristol, "Swinging Door Trending" (1990); here a sample is held only where the line to it fits itself
 */
export class SwingingDoors {
  /** Whether any point has doors. */
  isUsed = false;
  #tolerance = new Float64Array(FIRST_ROOM).fill(-1);
  #state = new Uint8Array(FIRST_ROOM);
  #pivotMs = new Float64Array(FIRST_ROOM);
  #pivot = new Float64Array(FIRST_ROOM);
  #lowest = new Float64Array(FIRST_ROOM);
  #highest = new Float64Array(FIRST_ROOM);

  /** @param tolerance in the point's unit; undefined: the point has no doors */
  configure(no: PointNo, tolerance: number | undefined): void {
    if (tolerance === undefined && no >= this.#tolerance.length) return;
    this.#growTo(no);
    if (this.#tolerance[no] !== (tolerance ?? -1)) this.#state[no] = CLOSED;
    this.#tolerance[no] = tolerance ?? -1;
    this.isUsed = this.#tolerance.some((each) => each > 0);
  }

  has(no: number): boolean {
    return no < this.#tolerance.length && (this.#tolerance[no] as number) > 0;
  }

  /** Whether the newest sample was held back. */
  isHolding(no: number): boolean {
    return no < this.#state.length && this.#state[no] === HOLDING;
  }

  /** Whether there is a pivot to draw lines from. */
  isOpen(no: number): boolean {
    return this.#state[no] !== CLOSED;
  }

  /** The sample was reported: lines begin there now. */
  pivot(no: number, tMs: number, value: number): void {
    this.#state[no] = OPEN;
    this.#pivotMs[no] = tMs;
    this.#pivot[no] = value;
    this.#lowest[no] = Number.NEGATIVE_INFINITY;
    this.#highest[no] = Number.POSITIVE_INFINITY;
  }

  /** What comes next cannot be joined to what came before. */
  close(no: number): void {
    if (no < this.#state.length) this.#state[no] = CLOSED;
  }

  /** @returns whether a line from the pivot to this sample misses none since by more than the tolerance; then it is held */
  hold(no: number, tMs: number, value: number): boolean {
    const passedMs = tMs - (this.#pivotMs[no] as number);
    const rise = value - (this.#pivot[no] as number);
    const slope = rise / passedMs;
    if (!(slope >= (this.#lowest[no] as number) && slope <= (this.#highest[no] as number))) return false;
    const tolerance = this.#tolerance[no] as number;
    this.#lowest[no] = Math.max(this.#lowest[no] as number, (rise - tolerance) / passedMs);
    this.#highest[no] = Math.min(this.#highest[no] as number, (rise + tolerance) / passedMs);
    this.#state[no] = HOLDING;
    return true;
  }

  #growTo(no: number): void {
    const before = this.#tolerance.length;
    if (no < before) return;
    const room = Math.max(FIRST_ROOM, 2 ** Math.ceil(Math.log2(no + 1)));
    const grown = (from: Float64Array<ArrayBuffer>) => {
      const into = new Float64Array(room);
      into.set(from);
      return into;
    };
    this.#tolerance = grown(this.#tolerance).fill(-1, before);
    this.#pivotMs = grown(this.#pivotMs);
    this.#pivot = grown(this.#pivot);
    this.#lowest = grown(this.#lowest);
    this.#highest = grown(this.#highest);
    const state = new Uint8Array(room);
    state.set(this.#state);
    this.#state = state;
  }
}
