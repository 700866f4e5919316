import {
  type AlarmRule,
  alarmKindOf,
  Kind,
  qualityOf,
  reasonOf,
  type SampleBatch,
} from '@millwright/protocol';
import type { Condition } from '../conditions/condition.ts';
import type { AlarmSource } from './alarm-record.ts';
import { RateWindow } from './rate-window.ts';

const BAD = 2;

/** Says whether one alarm's condition holds, from the samples of its point or from its expression. */
export interface Detector {
  readonly kind: AlarmSource;
  /** Absent: judged by the samples of its own point alone. */
  readonly condition?: Condition;
  /**
   * @param isRaised for a deadband
   * @returns undefined when the sample does not say
   */
  judge(batch: SampleBatch, row: number, isRaised: boolean, nowMs: number): boolean | undefined;
  /** Sentences about what was judged last. */
  raised(): string;
  cleared(): string;
  readonly value?: number | undefined;
}

export interface Subject {
  /** "Pump 1 bearing temperature". */
  readonly subject: string;
  readonly unit: string;
}

/** @param condition of an expression alarm */
export function detectorOf(rule: AlarmRule, about: Subject, condition: Condition | undefined): Detector {
  switch (alarmKindOf(rule)) {
    case 'state':
      return new StateDetector(rule, about);
    case 'rate':
      return new RateDetector(rule, about);
    case 'quality':
      return new QualityDetector(rule, about);
    case 'expression':
      return new ExpressionDetector(rule, about, condition);
    default:
      return new LimitDetector(rule, about);
  }
}

class LimitDetector implements Detector {
  readonly kind = 'limit';
  readonly #about: Subject;
  readonly #at: number;
  readonly #off: number;
  readonly #isHigh: boolean;
  value: number;

  constructor(rule: AlarmRule, about: Subject) {
    this.#about = about;
    this.#at = rule.at ?? 0;
    this.#off = rule.off ?? this.#at;
    this.#isHigh = (rule.side ?? (this.#off > this.#at ? 'low' : 'high')) === 'high';
    this.value = this.#at;
  }

  judge(batch: SampleBatch, row: number, isRaised: boolean): boolean | undefined {
    const value = numberAt(batch, row);
    if (Number.isNaN(value)) return undefined;
    this.value = value;
    if (isRaised) return !(this.#isHigh ? value <= this.#off : value >= this.#off);
    return this.#isHigh ? value > this.#at : value < this.#at;
  }

  raised(): string {
    return `${this.#now()}, ${this.#beyond()}`;
  }

  cleared(): string {
    return `${this.#now()}, no longer ${this.#beyond()}`;
  }

  #now(): string {
    return `${this.#about.subject} is ${quantity(this.value, this.#about.unit)}`;
  }

  #beyond(): string {
    return `${this.#isHigh ? 'above' : 'below'} ${quantity(this.#at, this.#about.unit)}`;
  }
}

class StateDetector implements Detector {
  readonly kind = 'state';
  readonly #about: Subject;
  readonly #states: readonly (boolean | number | string)[];
  #text = '';

  constructor(rule: AlarmRule, about: Subject) {
    this.#about = about;
    this.#states = rule.is === undefined ? [] : Array.isArray(rule.is) ? rule.is : [rule.is];
  }

  judge(batch: SampleBatch, row: number): boolean | undefined {
    if (isBad(batch, row)) return undefined;
    const value = batch.valueAt(row);
    if (value === null) return undefined;
    const state = typeof value === 'bigint' ? Number(value) : value;
    this.#text = typeof state === 'string' ? `"${state.slice(0, 100)}"` : String(state);
    return this.#states.includes(state);
  }

  raised(): string {
    return `${this.#about.subject} is ${this.#text}`;
  }

  cleared(): string {
    return `${this.#about.subject} is ${this.#text} again`;
  }
}

class RateDetector implements Detector {
  readonly kind = 'rate';
  readonly #about: Subject;
  readonly #change: number;
  readonly #off: number;
  readonly #side: 'high' | 'low' | undefined;
  readonly #withinMs: number;
  readonly #window: RateWindow;
  value: number | undefined;

  constructor(rule: AlarmRule, about: Subject) {
    this.#about = about;
    this.#change = rule.change ?? 0;
    this.#off = rule.off ?? this.#change;
    this.#side = rule.side;
    this.#withinMs = rule.within ?? 60_000;
    this.#window = new RateWindow(this.#withinMs);
  }

  judge(batch: SampleBatch, row: number, isRaised: boolean, nowMs: number): boolean | undefined {
    const value = numberAt(batch, row);
    if (Number.isNaN(value)) {
      this.#window.clear();
      return undefined;
    }
    this.#window.add(value, nowMs);
    const rise = this.#side === 'low' ? 0 : value - this.#window.min;
    const fall = this.#side === 'high' ? 0 : this.#window.max - value;
    this.value = rise >= fall ? rise : -fall;
    return Math.max(rise, fall) > (isRaised ? this.#off : this.#change);
  }

  raised(): string {
    const { subject, unit } = this.#about;
    const { value = 0 } = this;
    const way = value < 0 ? 'fell' : 'rose';
    const within = `within ${this.#withinMs / 1000} s`;
    return `${subject} ${way} by ${quantity(Math.abs(value), unit)} ${within}, more than ${quantity(this.#change, unit)}`;
  }

  cleared(): string {
    return `${this.#about.subject} no longer changes by more than ${quantity(this.#change, this.#about.unit)} within ${this.#withinMs / 1000} s`;
  }
}

class QualityDetector implements Detector {
  readonly kind = 'quality';
  readonly #about: Subject;
  readonly #qualities: readonly string[];
  #text = '';

  constructor(rule: AlarmRule, about: Subject) {
    this.#about = about;
    this.#qualities = rule.quality === undefined ? [] : [rule.quality].flat();
  }

  judge(batch: SampleBatch, row: number): boolean {
    const byte = batch.quality[row] as number;
    const quality = qualityOf(byte);
    const reason = reasonOf(byte);
    this.#text = reason === 'none' ? quality : `${quality}: ${reason}`;
    return this.#qualities.includes(quality) || (reason === 'stale' && this.#qualities.includes('stale'));
  }

  raised(): string {
    return `the value of ${this.#about.subject} is ${this.#text}`;
  }

  cleared(): string {
    return `the value of ${this.#about.subject} is ${this.#text} again`;
  }
}

class ExpressionDetector implements Detector {
  readonly kind = 'expression';
  readonly #about: Subject;
  readonly #text: string;
  readonly condition?: Condition;

  constructor(rule: AlarmRule, about: Subject, condition: Condition | undefined) {
    this.#about = about;
    this.#text = rule.when ?? '';
    if (condition !== undefined) this.condition = condition;
  }

  judge(): boolean | undefined {
    return this.condition?.judge().holds;
  }

  raised(): string {
    return `${this.#about.subject}: ${this.#text}`;
  }

  cleared(): string {
    return `${this.#about.subject}: no longer ${this.#text}`;
  }
}

function isBad(batch: SampleBatch, row: number): boolean {
  return ((batch.quality[row] as number) & 3) === BAD;
}

/** NaN for what is no number, or not to be trusted. */
function numberAt(batch: SampleBatch, row: number): number {
  const kind = batch.kind[row] as number;
  if (isBad(batch, row) || kind === Kind.null || kind === Kind.text) return Number.NaN;
  return kind === Kind.int64 || kind === Kind.uint64
    ? Number(batch.valueAt(row))
    : (batch.value[row] as number);
}

function quantity(value: number, unit: string): string {
  const text = String(Number(value.toPrecision(6)));
  return unit === '' ? text : `${text} ${unit}`;
}
