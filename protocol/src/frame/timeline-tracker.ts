import { bitWidth, varintLength, zigzag } from './bytes.ts';
import { growFloat64, growInt32, stepWidth } from './integers.ts';

/** Whole milliseconds a timeline is packed for; others are kept as doubles. */
export const MAX_PLAIN_MS = 2 ** 50;

/** Statistics of a node, in doubles. */
const STEP_LOW = 0;
const STEP_HIGH = 1;
const LAG_LOW = 2;
const LAG_HIGH = 3;
/** Bits per sample, and of all samples, of a timeline that ends here. */
const BITS = 4;
const COST = 5;
const STRIDE = 6;

/** A timeline kept as doubles: two per sample, and the heads of their columns. */
const RAW_BITS = 128;
const RAW_HEAD_BITS = 8 * 64;

export function isPlainMs(ms: number): boolean {
  return Number.isInteger(ms) && Math.abs(ms) <= MAX_PLAIN_MS;
}

/** A time as headers and directories give it: never NaN, never beyond what they hold. */
export function clampMs(ms: number): number {
  if (Number.isNaN(ms)) return 0;
  return Math.min(MAX_PLAIN_MS, Math.max(-MAX_PLAIN_MS, ms));
}

/**
 * Finds out, while rows arrive, which points have the same times.
 *
 * An *instant* is a pair (source time, gateway time). A *node* is a sequence of instants: its parent's and one
 * more. Points that were always sampled together are at the same node, and need their times written once.
 */
export class TimelineTracker {
  instants = 0;
  tSourceMs = new Float64Array(64);
  tGatewayMs = new Float64Array(64);
  /** Open hash table of instants; entries are one more than the instant. */
  #table = new Int32Array(256);
  #current = -1;

  #nodes = 1;
  instantOf = new Int32Array(64);
  parentOf = new Int32Array(64);
  depthOf = new Int32Array(64);
  #childOf = new Int32Array(64);
  /** Points whose samples end at the node. */
  #pointsAt = new Int32Array(64);
  #stats = new Float64Array(64 * STRIDE);

  /** Distinct nodes at which points end: the timelines a frame sealed now would have. */
  timelines = 0;
  #bits = 0;
  #firstMs = Number.POSITIVE_INFINITY;
  #lastMs = Number.NEGATIVE_INFINITY;
  #largestLag = 0;
  #headBytes = 0;
  /** The span before the instant asked for last. */
  #widened = false;
  readonly #before = new Float64Array(4);

  constructor() {
    this.#clearRoot();
  }

  get firstMs(): number {
    return this.#firstMs;
  }

  get lastMs(): number {
    return this.#lastMs;
  }

  get nodes(): number {
    return this.#nodes;
  }

  /** What the times of a frame sealed now cannot exceed, in bytes. */
  get boundBytes(): number {
    return this.timelines * this.#headBytes + this.#bits / 8;
  }

  /** The node one sample after `node`. */
  next(node: number, tSourceMs: number, tGatewayMs: number): number {
    this.#widened = false;
    const current = this.#current;
    const instant =
      current >= 0 && this.tSourceMs[current] === tSourceMs && this.tGatewayMs[current] === tGatewayMs
        ? current
        : this.#instant(tSourceMs, tGatewayMs);
    const child = this.#childOf[node] as number;
    return child !== 0 && this.instantOf[child] === instant ? child : this.#grow(node, instant);
  }

  /** Whether a node's times are no whole milliseconds. */
  isRaw(node: number): boolean {
    return this.#stats[node * STRIDE + BITS] === RAW_BITS;
  }

  /** Bits that hold any whole source time and lag of the frame. */
  get instantBits(): number {
    return bitWidth(this.#lastMs - this.#firstMs) + bitWidth(2 * this.#largestLag);
  }

  /** A point goes on from one node to the next. */
  move(from: number, to: number): void {
    const pointsAt = this.#pointsAt;
    if (from !== 0) {
      const left = (pointsAt[from] as number) - 1;
      pointsAt[from] = left;
      if (left === 0) {
        this.timelines--;
        this.#bits -= this.#stats[from * STRIDE + COST] as number;
      }
    }
    if (to !== 0) {
      const here = (pointsAt[to] as number) + 1;
      pointsAt[to] = here;
      if (here === 1) {
        this.timelines++;
        this.#bits += this.#stats[to * STRIDE + COST] as number;
      }
    }
  }

  /** Forgets that the last `next` widened the span of the frame. */
  refuse(): void {
    if (!this.#widened) return;
    const before = this.#before;
    this.#firstMs = before[0] as number;
    this.#lastMs = before[1] as number;
    this.#largestLag = before[2] as number;
    this.#headBytes = before[3] as number;
  }

  clear(): void {
    this.instants = 0;
    this.#current = -1;
    this.#table.fill(0);
    this.#nodes = 1;
    this.timelines = 0;
    this.#bits = 0;
    this.#firstMs = Number.POSITIVE_INFINITY;
    this.#lastMs = Number.NEGATIVE_INFINITY;
    this.#largestLag = 0;
    this.#headBytes = 0;
    this.#clearRoot();
  }

  #clearRoot(): void {
    this.#childOf[0] = 0;
    this.depthOf[0] = 0;
    this.#stats[STEP_LOW] = Number.POSITIVE_INFINITY;
    this.#stats[STEP_HIGH] = Number.NEGATIVE_INFINITY;
    this.#stats[LAG_LOW] = Number.POSITIVE_INFINITY;
    this.#stats[LAG_HIGH] = Number.NEGATIVE_INFINITY;
    this.#stats[BITS] = 0;
  }

  #instant(tSourceMs: number, tGatewayMs: number): number {
    if (2 * (this.instants + 1) > this.#table.length) this.#rehash();
    const mask = this.#table.length - 1;
    let slot = hashOf(tSourceMs, tGatewayMs) & mask;
    for (let entry = this.#table[slot] as number; entry !== 0; entry = this.#table[slot] as number) {
      if (this.tSourceMs[entry - 1] === tSourceMs && this.tGatewayMs[entry - 1] === tGatewayMs) {
        this.#current = entry - 1;
        return entry - 1;
      }
      slot = (slot + 1) & mask;
    }
    const instant = this.instants++;
    if (instant === this.tSourceMs.length) {
      this.tSourceMs = growFloat64(this.tSourceMs, instant + 1, instant);
      this.tGatewayMs = growFloat64(this.tGatewayMs, instant + 1, instant);
    }
    this.#table[slot] = instant + 1;
    this.tSourceMs[instant] = tSourceMs;
    this.tGatewayMs[instant] = tGatewayMs;
    this.#current = instant;
    this.#span(tSourceMs, tGatewayMs);
    return instant;
  }

  /** Keeps the frame's first and last time, on which the size of every timeline's head depends. */
  #span(tSourceMs: number, tGatewayMs: number): void {
    const ms = clampMs(tSourceMs);
    const lag = Math.min(2 * MAX_PLAIN_MS, Math.abs(tGatewayMs - tSourceMs));
    if (ms >= this.#firstMs && ms <= this.#lastMs && lag <= this.#largestLag) return;
    this.#widened = true;
    this.#before[0] = this.#firstMs;
    this.#before[1] = this.#lastMs;
    this.#before[2] = this.#largestLag;
    this.#before[3] = this.#headBytes;
    this.#firstMs = Math.min(this.#firstMs, Math.floor(ms));
    this.#lastMs = Math.max(this.#lastMs, Math.ceil(ms));
    if (lag > this.#largestLag) this.#largestLag = lag;
    const span = varintLength(2 * (this.#lastMs - this.#firstMs));
    // Count, first, span, length; form, unit and two numbers of the source times; form and base of the lags; two roundings.
    this.#headBytes =
      3 + span + span + 3 + (1 + span + 1 + span + span) + (1 + varintLength(zigzag(-this.#largestLag))) + 2;
  }

  #rehash(): void {
    const table = new Int32Array(2 * this.#table.length);
    const mask = table.length - 1;
    for (let instant = 0; instant < this.instants; instant++) {
      let slot = hashOf(this.tSourceMs[instant] as number, this.tGatewayMs[instant] as number) & mask;
      while (table[slot] !== 0) slot = (slot + 1) & mask;
      table[slot] = instant + 1;
    }
    this.#table = table;
  }

  #grow(parent: number, instant: number): number {
    const node = this.#nodes++;
    if (node === this.parentOf.length) {
      this.parentOf = growInt32(this.parentOf, node + 1, node);
      this.instantOf = growInt32(this.instantOf, node + 1, node);
      this.depthOf = growInt32(this.depthOf, node + 1, node);
      this.#childOf = growInt32(this.#childOf, node + 1, node);
      this.#pointsAt = growInt32(this.#pointsAt, node + 1, node);
      this.#stats = growFloat64(this.#stats, (node + 1) * STRIDE, node * STRIDE);
    }
    this.parentOf[node] = parent;
    this.instantOf[node] = instant;
    this.depthOf[node] = (this.depthOf[parent] as number) + 1;
    this.#childOf[node] = 0;
    this.#pointsAt[node] = 0;
    this.#childOf[parent] = node;
    this.#measure(node, parent, instant);
    return node;
  }

  #measure(node: number, parent: number, instant: number): void {
    const stats = this.#stats;
    const at = node * STRIDE;
    const from = parent * STRIDE;
    const tSourceMs = this.tSourceMs[instant] as number;
    const tGatewayMs = this.tGatewayMs[instant] as number;
    const lag = tGatewayMs - tSourceMs;
    const step = parent === 0 ? 0 : tSourceMs - (this.tSourceMs[this.instantOf[parent] as number] as number);
    const stepLow =
      parent === 0 ? Number.POSITIVE_INFINITY : Math.min(stats[from + STEP_LOW] as number, step);
    const stepHigh =
      parent === 0 ? Number.NEGATIVE_INFINITY : Math.max(stats[from + STEP_HIGH] as number, step);
    const lagLow = Math.min(stats[from + LAG_LOW] as number, lag);
    const lagHigh = Math.max(stats[from + LAG_HIGH] as number, lag);
    stats[at + STEP_LOW] = stepLow;
    stats[at + STEP_HIGH] = stepHigh;
    stats[at + LAG_LOW] = lagLow;
    stats[at + LAG_HIGH] = lagHigh;
    const isRaw = stats[from + BITS] === RAW_BITS || !isPlainMs(tSourceMs) || !isPlainMs(tGatewayMs);
    const stepBits = stepHigh > stepLow ? stepWidth(stepHigh - stepLow) : 0;
    const bits = isRaw ? RAW_BITS : bitWidth(lagHigh - lagLow) + stepBits;
    stats[at + BITS] = bits;
    stats[at + COST] = (this.depthOf[node] as number) * bits + (isRaw ? RAW_HEAD_BITS : 0);
  }
}

function hashOf(tSourceMs: number, tGatewayMs: number): number {
  const hash = Math.imul(tSourceMs | 0, 0x9e37_79b1) ^ Math.imul((tGatewayMs - tSourceMs) | 0, 0x85eb_ca6b);
  return hash ^ (hash >>> 15);
}
