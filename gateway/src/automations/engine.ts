import {
  type Clock,
  describeError,
  type Location,
  type PointNo,
  QUALITIES,
  qualityByte,
  REASONS,
  type Sample,
  type SampleSink,
} from '@millwright/protocol';
import type { PointRef, RuleSpec } from '@millwright/protocol/automation';
import { ActiveRule, type RuleListener } from './active-rule.ts';
import type { RuleSlot } from './rule-slot.ts';

/** Node's timers take no more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export interface RuleEngineDeps {
  readonly clock: Clock;
  readonly listener: RuleListener;
  readonly location: Location;
}

/** A rule and the numbers under which the samples of its inputs come. */
export interface BoundRule {
  readonly spec: RuleSpec;
  /** By input, in the order of `spec.inputs`. */
  readonly numbers: readonly (readonly PointNo[])[];
}

interface Use {
  readonly slot: RuleSlot;
  readonly rule: ActiveRule;
}

/**
 * Rules over samples: the same for what comes now and for what was recorded. A sample reaches only the rules that read
 * its point, and a rule is looked at once for all samples of a batch, before one of its inputs changes a second time.
 *
 * Engine time is wall time that does not jump: it begins with the wall clock and goes on with the monotonic one.
 */
export class RuleEngine {
  readonly #deps: RuleEngineDeps;
  readonly #originMs: number;
  #rules: ActiveRule[] = [];
  #wordsOf = new Map<ActiveRule, string>();
  /** By point number; most points are in no rule. */
  #uses: (Use[] | undefined)[] = [];
  readonly #dirty: ActiveRule[] = [];
  #turn = 0;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;

  constructor(deps: RuleEngineDeps) {
    this.#deps = deps;
    this.#originMs = deps.clock.wallMs() - deps.clock.monotonicMs();
  }

  get rules(): readonly ActiveRule[] {
    return this.#rules;
  }

  /** Engine time. */
  get nowMs(): number {
    return this.#originMs + this.#deps.clock.monotonicMs();
  }

  /**
   * Makes `bound` the rules; one that is the same as before goes on undisturbed.
   * @returns the rules that are new
   * @throws InvalidInputError for a rule that was not checked; then nothing has changed
   */
  apply(bound: readonly BoundRule[]): readonly ActiveRule[] {
    const { clock, listener, location } = this.#deps;
    const before = new Map([...this.#wordsOf].map(([rule, words]) => [words, rule]));
    const fresh: ActiveRule[] = [];
    const wordsOf = new Map<ActiveRule, string>();
    const uses: (Use[] | undefined)[] = [];
    for (const { spec, numbers } of bound) {
      const words = JSON.stringify([{ ...spec, tests: [] }, numbers]);
      const known = before.get(words);
      const rule = known ?? new ActiveRule({ listener, location }, spec, this.nowMs, clock.wallMs());
      if (known === undefined) fresh.push(rule);
      wordsOf.set(rule, words);
      for (const [at, slot] of rule.slots.entries()) {
        for (const no of numbers[at] ?? []) {
          const own = uses[no] ?? [];
          own.push({ slot, rule });
          uses[no] = own;
        }
      }
    }
    this.#rules = [...wordsOf.keys()];
    this.#wordsOf = wordsOf;
    this.#uses = uses;
    return fresh;
  }

  /** Gives inputs without a window the newest value of their point. */
  seed(rule: ActiveRule, latest: (ref: PointRef) => Sample | undefined): void {
    for (const slot of rule.slots) {
      const sample = latest(slot.input.ref);
      if (sample === undefined) continue;
      const quality = qualityByte(
        QUALITIES.find((each) => each === sample.q) ?? 'bad',
        reasonNamed(sample.why),
      );
      slot.seed(sample.v, quality, this.nowMs - Math.max(0, this.#deps.clock.wallMs() - sample.tGateway));
    }
  }

  /** Looks at rules as they stand: call it once they are seeded and restored. */
  begin(rules: readonly ActiveRule[]): void {
    for (const rule of rules) this.#mark(rule);
    this.#flush(this.nowMs);
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
  }

  readonly accept: SampleSink = (batch) => {
    const uses = this.#uses;
    const nowMs = this.nowMs;
    this.#turn++;
    for (let row = 0; row < batch.length; row++) {
      const own = uses[batch.point[row] as number];
      if (own === undefined) continue;
      for (const { slot, rule } of own) {
        if (slot.turn === this.#turn) {
          this.#flush(nowMs);
          this.#turn++;
        }
        slot.turn = this.#turn;
        if (slot.take(batch, row, nowMs)) this.#mark(rule);
      }
    }
    if (this.#dirty.length > 0) this.#flush(nowMs);
  };

  #mark(rule: ActiveRule): void {
    if (rule.isDirty) return;
    rule.isDirty = true;
    this.#dirty.push(rule);
  }

  #flush(nowMs: number): void {
    const wallMs = this.#deps.clock.wallMs();
    let wakeAtMs = Number.POSITIVE_INFINITY;
    for (const rule of this.#dirty) {
      rule.isDirty = false;
      try {
        rule.evaluate(nowMs, wallMs);
      } catch (error) {
        // One rule must not keep the others from their samples.
        rule.failed(wallMs, describeError(error));
      }
      if (rule.wakeAtMs < wakeAtMs) wakeAtMs = rule.wakeAtMs;
    }
    this.#dirty.length = 0;
    if (wakeAtMs < this.#timerAtMs) this.#arm(wakeAtMs, nowMs);
  }

  #arm(atMs: number, nowMs: number): void {
    this.#cancelTimer?.();
    this.#timerAtMs = atMs;
    const delayMs = Math.min(LONGEST_TIMER_MS, Math.max(0, Math.ceil(atMs - nowMs)));
    this.#cancelTimer = this.#deps.clock.after(delayMs, this.#wake);
  }

  readonly #wake = () => {
    this.#cancelTimer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.nowMs;
    for (const rule of this.#rules) if (rule.wakeAtMs <= nowMs) this.#mark(rule);
    this.#flush(nowMs);
    let wakeAtMs = Number.POSITIVE_INFINITY;
    for (const rule of this.#rules) if (rule.wakeAtMs < wakeAtMs) wakeAtMs = rule.wakeAtMs;
    if (wakeAtMs < this.#timerAtMs) this.#arm(wakeAtMs, nowMs);
  };
}

function reasonNamed(why: string | undefined): (typeof REASONS)[number] {
  return REASONS.find((each) => each === why) ?? 'none';
}
