import { type Clock, every, type PointNo, SampleBatch, type SampleSink } from '@millwright/protocol';
import type { Condition } from '../conditions/condition.ts';
import type { AlarmDefinition, AlarmSource } from './alarm-record.ts';
import { keyOf } from './alarm-record.ts';
import type { AlarmRegister } from './alarm-register.ts';
import type { Detector } from './detectors.ts';
import { type WatchedAlarm, type WatchedPoint, watchedAlarms } from './watched-points.ts';

const LOOK_EVERY_MS = 1000;
const OWN_KINDS: ReadonlySet<AlarmSource> = new Set(['limit', 'state', 'rate', 'quality', 'expression']);
const NO_SAMPLE = new SampleBatch(1);

/** An alarm at work: its condition, and the delay that may run. */
interface Rule {
  readonly definition: AlarmDefinition;
  readonly detector: Detector;
  readonly suppress: Condition | undefined;
  readonly onDelayMs: number;
  readonly offDelayMs: number;
  /** Said instead of the detector's own sentence. */
  readonly message: string | undefined;
  isRaised: boolean;
  /** Set while the condition is other than what was told and the delay runs. */
  cancelDelay: (() => void) | undefined;
  /** The call in which its expression was judged last. */
  turn: number;
}

/**
 * Watches points against the alarms of their description. A sample that says nothing (bad, of no kind the alarm can
 * judge) leaves an active alarm as it is and breaks off a delay that runs.
 * @see ISA-18.2: on-delay, off-delay and deadband against chattering
 */
export class AlarmRules {
  readonly #clock: Clock;
  readonly #register: AlarmRegister;
  #rules: readonly Rule[] = [];
  /** By point number, those judged by its samples; most have none. */
  #own: (Rule[] | undefined)[] = [];
  /** By point number, those whose expression or suppression reads it. */
  #readers: (Rule[] | undefined)[] = [];
  #cancelLook: (() => void) | undefined;
  #turn = 0;

  constructor(deps: { readonly clock: Clock; readonly register: AlarmRegister }) {
    this.#clock = deps.clock;
    this.#register = deps.register;
  }

  /** Replaces all alarms. An active one that is gone is cleared; the others go on. Needs the register started. */
  watch(points: Iterable<WatchedPoint>): void {
    this.stop();
    const rules: Rule[] = [];
    const own: (Rule[] | undefined)[] = [];
    const readers: (Rule[] | undefined)[] = [];
    for (const point of points) {
      for (const alarm of watchedAlarms(point)) {
        const rule = this.#ruleOf(alarm);
        rules.push(rule);
        if (rule.detector.condition === undefined) add(own, point.no, rule);
        const reads = [...(rule.detector.condition?.reads ?? []), ...(rule.suppress?.reads ?? [])];
        for (const no of new Set(reads)) add(readers, no, rule);
      }
    }
    this.#rules = rules;
    this.#own = own;
    this.#readers = readers;
    this.#register.define(rules.map(({ definition }) => definition));
    this.#endOthers();
    for (const rule of rules) {
      if (rule.suppress === undefined) this.#register.suppress(rule.definition, false);
      this.#judgeExpressions(rule);
    }
    if (rules.some(({ detector, suppress }) => detector.condition?.readsAge || suppress?.readsAge)) {
      this.#cancelLook = every(this.#clock, LOOK_EVERY_MS, () => this.#look());
    }
  }

  /** Breaks off the delays that run. */
  stop(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    for (const rule of this.#rules) endDelay(rule);
  }

  readonly accept: SampleSink = (batch) => {
    const own = this.#own;
    const readers = this.#readers;
    const nowMs = this.#clock.monotonicMs();
    const turn = ++this.#turn;
    for (let row = 0; row < batch.length; row++) {
      const no = batch.point[row] as number;
      const judged = own[no];
      if (judged !== undefined) {
        for (const rule of judged) {
          this.#judge(rule, rule.detector.judge(batch, row, rule.isRaised, nowMs));
        }
      }
      const reading = readers[no];
      if (reading === undefined) continue;
      for (const rule of reading) {
        // Expressions see the newest values only: one look is enough.
        if (rule.turn === turn) continue;
        rule.turn = turn;
        this.#judgeExpressions(rule);
      }
    }
  };

  #look(): void {
    for (const rule of this.#rules) {
      if (rule.detector.condition?.readsAge || rule.suppress?.readsAge) this.#judgeExpressions(rule);
    }
  }

  /** What was never read since the start says nothing: a restart neither clears an alarm nor ends a suppression. */
  #judgeExpressions(rule: Rule): void {
    const { detector, suppress, definition } = rule;
    if (suppress?.isRead() === true) {
      const verdict = suppress.judge();
      this.#register.suppress(definition, verdict.isCertain && verdict.holds);
    }
    if (detector.condition?.isRead() === true) {
      this.#judge(rule, detector.judge(NO_SAMPLE, 0, rule.isRaised, 0));
    }
  }

  #judge(rule: Rule, holds: boolean | undefined): void {
    if (holds === undefined || holds === rule.isRaised) {
      endDelay(rule);
      return;
    }
    const delayMs = holds ? rule.onDelayMs : rule.offDelayMs;
    if (delayMs === 0) this.#change(rule, holds);
    else {
      rule.cancelDelay ??= this.#clock.after(delayMs, () => {
        rule.cancelDelay = undefined;
        this.#change(rule, holds);
      });
    }
  }

  #change(rule: Rule, isRaised: boolean): void {
    const { definition, detector, message } = rule;
    rule.isRaised = isRaised;
    if (!isRaised) {
      this.#register.clear(definition, message === undefined ? detector.cleared() : `${message}: over`);
      return;
    }
    const { value } = detector;
    const sentence = `${message ?? detector.raised()} (${definition.priority})`;
    this.#register.raise({
      ...definition,
      message: sentence,
      ...(value === undefined ? {} : { value }),
    });
  }

  #endOthers(): void {
    const names = new Set(this.#rules.map(({ definition }) => keyOf(definition)));
    for (const alarm of this.#register.list()) {
      if (!OWN_KINDS.has(alarm.kind) || names.has(keyOf(alarm))) continue;
      this.#register.clear(alarm, `${alarm.message}: the alarm is no longer watched`);
      this.#register.suppress(alarm, false);
    }
  }

  #ruleOf({ definition, detector, suppress, rule }: WatchedAlarm): Rule {
    return {
      ...{ definition, detector, suppress },
      onDelayMs: rule.delay ?? 0,
      offDelayMs: rule.offDelay ?? 0,
      message: rule.message,
      isRaised: this.#register.isActive(definition),
      cancelDelay: undefined,
      turn: 0,
    };
  }
}

function add(index: (Rule[] | undefined)[], no: PointNo, rule: Rule): void {
  const rules = index[no] ?? [];
  rules.push(rule);
  index[no] = rules;
}

function endDelay(rule: Rule): void {
  if (rule.cancelDelay === undefined) return;
  rule.cancelDelay();
  rule.cancelDelay = undefined;
}
