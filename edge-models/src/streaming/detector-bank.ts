/** What changed with the last observation of a slot. */
export const Transition = { none: 0, raised: 1, cleared: 2 } as const;
export type Transition = (typeof Transition)[keyof typeof Transition];

/** What the detector believes about a slot; for sentences. */
export interface Baseline {
  /** Value it expected for the last observation, in the point's unit. */
  readonly expected: number;
  /** Typical distance from the expected value, in the point's unit. */
  readonly spread: number;
  /** Observations so far. */
  readonly seen: number;
}

export interface DetectorSettings {
  /** Observations before a slot says anything. */
  readonly warmUp: number;
  /** Weight of a new observation in the level. */
  readonly levelRate: number;
  /** Weight of a new slope in the trend: how fast the detector follows drift. */
  readonly trendRate: number;
  /** Weight of a new residual in the spread. */
  readonly spreadRate: number;
  /** Distance, in spreads, that scores one half. */
  readonly halfScoreAt: number;
  /** Score from which an observation counts towards an alarm. */
  readonly raiseAt: number;
  /** Observations in a row at or above `raiseAt` that raise the alarm. */
  readonly raiseAfter: number;
  /** Observations in a row below `raiseAt` that clear it. */
  readonly clearAfter: number;
}

export const DEFAULT_SETTINGS: DetectorSettings = {
  warmUp: 200,
  levelRate: 0.05,
  trendRate: 0.002,
  spreadRate: 0.005,
  halfScoreAt: 8,
  raiseAt: 0.5,
  raiseAfter: 3,
  clearAfter: 10,
};

/** Residuals count at most this many spreads when the baseline learns, so that one outlier cannot move it. */
const CLIP = 3;
/** Each observation lets the remembered envelope shrink towards the level by this share. */
const FORGET = 1e-4;
/** Values inside the remembered envelope are this much less surprising. */
const SEEN_BEFORE = 0.5;
/** Spread never falls below this share of the level's size: a constant signal with rounding noise is not an anomaly. */
const RELATIVE_FLOOR = 1e-6;
/** Consecutive clipped residuals of one sign after which the level has really moved and is learned anew. */
const SHIFT_AFTER = 30;

/**
 * One streaming detector per slot, kept in columns: drift-aware EWMA (level and trend, both learned from clipped
 * residuals) with a novelty discount for values inside the slowly forgotten envelope of what was seen before.
 * No training, no allocation, a few dozen floating-point operations per observation.
 *
 * @see C. C. Holt, "Forecasting seasonals and trends by exponentially weighted moving averages" (level and trend)
 * @see P. J. Huber, "Robust Estimation of a Location Parameter" (clipped residuals)
 */
export class DetectorBank {
  readonly capacity: number;
  readonly #settings: DetectorSettings;
  readonly #level: Float64Array;
  readonly #trend: Float64Array;
  readonly #spread: Float64Array;
  readonly #low: Float64Array;
  readonly #high: Float64Array;
  readonly #expected: Float64Array;
  readonly #score: Float64Array;
  readonly #seen: Float64Array;
  /** Consecutive clipped residuals; the sign is the side. */
  readonly #shift: Int16Array;
  readonly #above: Uint16Array;
  readonly #below: Uint16Array;
  readonly #raised: Uint8Array;

  constructor(capacity: number, settings: Partial<DetectorSettings> = {}) {
    this.capacity = capacity;
    this.#settings = { ...DEFAULT_SETTINGS, ...settings };
    this.#level = new Float64Array(capacity);
    this.#trend = new Float64Array(capacity);
    this.#spread = new Float64Array(capacity);
    this.#low = new Float64Array(capacity);
    this.#high = new Float64Array(capacity);
    this.#expected = new Float64Array(capacity);
    this.#score = new Float64Array(capacity);
    this.#seen = new Float64Array(capacity);
    this.#shift = new Int16Array(capacity);
    this.#above = new Uint16Array(capacity);
    this.#below = new Uint16Array(capacity);
    this.#raised = new Uint8Array(capacity);
  }

  /**
   * Feeds one good value. A value that is not finite is ignored.
   * @returns whether the slot's alarm was raised or cleared by it; read the score with `score(slot)`
   */
  observe(slot: number, value: number): Transition {
    if (!Number.isFinite(value)) return Transition.none;
    const seen = (this.#seen[slot] as number) + 1;
    this.#seen[slot] = seen;
    if (seen === 1) {
      this.#level[slot] = value;
      this.#low[slot] = value;
      this.#high[slot] = value;
      this.#expected[slot] = value;
      return Transition.none;
    }
    const { warmUp, halfScoreAt } = this.#settings;
    const expected = (this.#level[slot] as number) + (this.#trend[slot] as number);
    const residual = value - expected;
    const spread = Math.max(
      this.#spread[slot] as number,
      Math.abs(expected) * RELATIVE_FLOOR,
      Number.MIN_VALUE,
    );
    this.#expected[slot] = expected;

    let distance = Math.abs(residual) / spread;
    if (value >= (this.#low[slot] as number) && value <= (this.#high[slot] as number))
      distance *= SEEN_BEFORE;
    const squared = Math.min(distance * distance, Number.MAX_SAFE_INTEGER);
    const score = seen <= warmUp ? 0 : squared / (squared + halfScoreAt * halfScoreAt);
    this.#score[slot] = score;

    this.#learn(slot, value, residual, spread, seen);
    return seen <= warmUp ? Transition.none : this.#judge(slot, score);
  }

  /** Surprise of the last observation: 0 = usual, 1 = never like this. 0 while warming up. */
  score(slot: number): number {
    return this.#score[slot] as number;
  }

  isRaised(slot: number): boolean {
    return this.#raised[slot] === 1;
  }

  baseline(slot: number): Baseline {
    return {
      expected: this.#expected[slot] as number,
      spread: this.#spread[slot] as number,
      seen: this.#seen[slot] as number,
    };
  }

  #learn(slot: number, value: number, residual: number, spread: number, seen: number): void {
    const { levelRate, trendRate, spreadRate, warmUp } = this.#settings;
    const warming = seen <= warmUp;
    const rate = warming ? Math.max(levelRate, 1 / seen) : levelRate;
    const limit = warming ? Number.POSITIVE_INFINITY : CLIP * spread;
    const clipped = Math.max(-limit, Math.min(limit, residual));
    const level = this.#level[slot] as number;
    const trend = this.#trend[slot] as number;

    const shift = this.#shift[slot] as number;
    const nextShift =
      Math.abs(residual) <= limit
        ? 0
        : Math.sign(residual) * (Math.sign(residual) === Math.sign(shift) ? Math.abs(shift) + 1 : 1);
    this.#shift[slot] = nextShift;
    if (Math.abs(nextShift) >= SHIFT_AFTER) {
      this.#level[slot] = value;
      this.#trend[slot] = 0;
      this.#shift[slot] = 0;
    } else {
      const nextLevel = level + trend + rate * clipped;
      this.#level[slot] = nextLevel;
      this.#trend[slot] = warming ? 0 : trend + trendRate * (nextLevel - level - trend);
    }
    this.#spread[slot] =
      seen === 2
        ? Math.abs(residual)
        : (this.#spread[slot] as number) +
          (warming ? Math.max(spreadRate, 1 / seen) : spreadRate) *
            (Math.abs(clipped) - (this.#spread[slot] as number));

    const low = this.#low[slot] as number;
    const high = this.#high[slot] as number;
    this.#low[slot] = Math.min(value, low + (this.#level[slot] as number) * FORGET - low * FORGET);
    this.#high[slot] = Math.max(value, high + (this.#level[slot] as number) * FORGET - high * FORGET);
  }

  #judge(slot: number, score: number): Transition {
    const { raiseAt, raiseAfter, clearAfter } = this.#settings;
    if (score >= raiseAt) {
      this.#below[slot] = 0;
      const above = Math.min((this.#above[slot] as number) + 1, raiseAfter);
      this.#above[slot] = above;
      if (above < raiseAfter || this.#raised[slot] === 1) return Transition.none;
      this.#raised[slot] = 1;
      return Transition.raised;
    }
    this.#above[slot] = 0;
    const below = Math.min((this.#below[slot] as number) + 1, clearAfter);
    this.#below[slot] = below;
    if (below < clearAfter || this.#raised[slot] === 0) return Transition.none;
    this.#raised[slot] = 0;
    return Transition.cleared;
  }
}

/** One sentence for people: what was seen, what was expected, in the point's unit. */
export function anomalySentence(
  subject: string,
  value: number,
  unit: string | undefined,
  baseline: Baseline,
): string {
  const suffix = unit === undefined ? '' : ` ${unit}`;
  const distance = Math.abs(value - baseline.expected) / Math.max(baseline.spread, Number.MIN_VALUE);
  const times =
    distance < 1000 ? `${Math.round(distance)} times its usual distance` : 'far outside its usual distance';
  return `${subject} is ${round(value)}${suffix}, expected about ${round(baseline.expected)}${suffix}: ${times} from that`;
}

function round(value: number): string {
  return Number(value.toPrecision(4)).toString();
}
