import { bad, type Location } from '@millwright/protocol';
import { inputTypesOf, type RuleSpec } from '@millwright/protocol/automation';
import { Expression, type ExpressionInputs } from '@millwright/protocol/expression';
import { ActionPlanner, type AlarmOfRule, type Firing } from './firing.ts';
import { RuleSlot } from './rule-slot.ts';
import { createSchedule, type Schedule } from './schedule.ts';

/** What depends on how old a value is has to be looked at without a sample, too. */
const AGE_LOOK_MS = 1000;
/** The wall clock may be set: a schedule is compared with it at least this often. */
const SCHEDULE_LOOK_MS = 60_000;
/** What was due longer ago is not made up for. */
const SCHEDULE_LATE_MS = 5 * 60_000;
/** For this long after a restart, unknown inputs do not end what held before. */
const GRACE_MS = 60_000;
const MINUTE_MS = 60_000;
const NEVER = Number.POSITIVE_INFINITY;
const LONG_AGO = Number.NEGATIVE_INFINITY;
const NO_INPUT = bad('not-yet-read');

/** What a rule tells of. */
export interface RuleListener {
  fired(firing: Firing): void;
  /** Its condition no longer holds after it had fired. */
  ended(rule: ActiveRule, atMs: number): void;
  /** It fires oftener than it may: until it is quieter, its firings are dropped. Told once. */
  limited(rule: ActiveRule): void;
  /** Something that is worth keeping over a restart has changed. */
  changed(rule: ActiveRule): void;
}

/** Where a rule stands, in engine time. */
export interface RuleState {
  /** Since when the condition holds; NaN: it does not. */
  readonly heldSinceMs: number;
  /** It has fired since the condition holds. */
  readonly hasFired: boolean;
  /** It has fired since the condition was last known not to hold. */
  readonly isStanding: boolean;
  /** −Infinity: never. */
  readonly lastFiredMs: number;
}

/** One rule at work: its inputs, where its condition stands, and when it must be looked at again. */
export class ActiveRule implements ExpressionInputs {
  readonly spec: RuleSpec;
  readonly slots: readonly RuleSlot[];
  readonly alarms: readonly AlarmOfRule[];
  /** Engine time; Infinity: only a sample makes a difference. */
  wakeAtMs = NEVER;
  isDirty = false;
  evaluations = 0;
  firings = 0;
  errors = 0;
  /** Epoch ms. */
  lastFiredAtMs: number | undefined;
  lastError: { readonly atMs: number; readonly message: string } | undefined;
  readonly #listener: RuleListener;
  readonly #planner: ActionPlanner;
  readonly #condition: Expression | undefined;
  readonly #windows: readonly RuleSlot[];
  readonly #schedule: Schedule | undefined;
  readonly #readsAge: boolean;
  #nowMs = 0;
  /** Epoch ms. */
  #dueAtMs: number | undefined;
  #heldSinceMs = Number.NaN;
  #hasFired = false;
  #isStanding = false;
  #lastFiredMs = LONG_AGO;
  #graceUntilMs = LONG_AGO;
  #tokens: number;
  #tokensAtMs: number;
  #isLimited = false;

  /** @throws ExpressionError, InvalidInputError `SCHEDULE_INVALID` for a rule that was not checked before */
  constructor(
    deps: { readonly listener: RuleListener; readonly location: Location },
    spec: RuleSpec,
    startMs: number,
    startWallMs: number,
  ) {
    this.spec = spec;
    this.#listener = deps.listener;
    this.#planner = new ActionPlanner(spec);
    this.alarms = this.#planner.alarms;
    this.slots = Object.values(spec.inputs).map((input) => new RuleSlot(input, startMs));
    this.#windows = this.slots.filter(({ window }) => window !== undefined);
    const inputs = inputTypesOf(spec);
    this.#condition =
      spec.when === undefined ? undefined : Expression.compile(spec.when, { inputs, result: 'bool' });
    this.#readsAge = spec.when !== undefined && /\bage\b/.test(spec.when);
    this.#schedule = spec.schedule && createSchedule(spec.schedule, deps.location);
    this.#dueAtMs = this.#schedule?.next(startWallMs);
    this.#tokens = spec.firingsPerMinute;
    this.#tokensAtMs = startMs;
  }

  value(input: number): ReturnType<ExpressionInputs['value']> {
    return this.slots[input]?.value ?? null;
  }

  quality(input: number): number {
    return this.slots[input]?.quality ?? NO_INPUT;
  }

  ageMs(input: number): number {
    return this.#nowMs - (this.slots[input]?.atMs ?? LONG_AGO);
  }

  /** Whether its condition holds now. */
  get holds(): boolean {
    return !Number.isNaN(this.#heldSinceMs);
  }

  /** When its schedule is due next, epoch ms. */
  get dueAtMs(): number | undefined {
    return this.#dueAtMs;
  }

  get state(): RuleState {
    return {
      heldSinceMs: this.#heldSinceMs,
      hasFired: this.#hasFired,
      isStanding: this.#isStanding,
      lastFiredMs: this.#lastFiredMs,
    };
  }

  /** Goes on where the process before ended. */
  restore(state: RuleState, nowMs: number): void {
    this.#heldSinceMs = state.heldSinceMs;
    this.#hasFired = state.hasFired;
    this.#isStanding = state.isStanding;
    this.#lastFiredMs = state.lastFiredMs;
    if (!Number.isNaN(state.heldSinceMs)) this.#graceUntilMs = nowMs + GRACE_MS;
  }

  /** Its alarms stand already. */
  stand(): void {
    this.#isStanding = true;
  }

  /** A pending hold: how long it has lasted is worth keeping. */
  get isWaiting(): boolean {
    return !Number.isNaN(this.#heldSinceMs) && !this.#hasFired && this.spec.forMs > 0;
  }

  /** Looks at the condition. @param wallMs epoch ms of the same moment */
  evaluate(nowMs: number, wallMs: number): void {
    this.#nowMs = nowMs;
    this.wakeAtMs = this.#readsAge ? nowMs + AGE_LOOK_MS : NEVER;
    for (const slot of this.#windows) {
      slot.advance(nowMs);
      this.#wakeBy(slot.window?.nextChangeMs() ?? NEVER);
    }
    if (this.#schedule !== undefined) this.#lookAtSchedule(this.#schedule, nowMs, wallMs);
    else this.#step(this.#condition === undefined ? false : this.#look(this.#condition), nowMs, wallMs);
  }

  /** Notes what went wrong, for those who ask. */
  failed(atMs: number, message: string): void {
    this.errors++;
    this.lastError = { atMs, message };
  }

  #look(condition: Expression): boolean | undefined {
    this.evaluations++;
    const { quality, value } = condition.evaluate(this);
    return quality === 'bad' ? undefined : value === true;
  }

  #lookAtSchedule(schedule: Schedule, nowMs: number, wallMs: number): void {
    const dueAtMs = this.#dueAtMs;
    if (dueAtMs !== undefined && wallMs >= dueAtMs) {
      this.#dueAtMs = schedule.next(wallMs);
      if (wallMs - dueAtMs <= SCHEDULE_LATE_MS) this.#tick(nowMs, wallMs);
    }
    if (this.#dueAtMs !== undefined) this.#wakeBy(nowMs + Math.min(this.#dueAtMs - wallMs, SCHEDULE_LOOK_MS));
  }

  #tick(nowMs: number, wallMs: number): void {
    const holds = this.#condition === undefined ? true : this.#look(this.#condition);
    if (holds === false) this.#end(wallMs);
    if (holds === true && nowMs >= this.#lastFiredMs + this.spec.cooldownMs) this.#fire(nowMs, wallMs);
  }

  #step(holds: boolean | undefined, nowMs: number, wallMs: number): void {
    if (holds === undefined && nowMs < this.#graceUntilMs) {
      this.#wakeBy(this.#graceUntilMs);
      return;
    }
    this.#graceUntilMs = LONG_AGO;
    if (holds !== true) {
      if (holds === false) this.#end(wallMs);
      if (Number.isNaN(this.#heldSinceMs)) return;
      this.#heldSinceMs = Number.NaN;
      this.#hasFired = false;
      this.#listener.changed(this);
      return;
    }
    if (Number.isNaN(this.#heldSinceMs)) {
      this.#heldSinceMs = nowMs;
      this.#listener.changed(this);
    }
    const dueMs = this.#nextFiringMs();
    if (nowMs >= dueMs) {
      this.#fire(nowMs, wallMs);
      this.#wakeBy(this.#nextFiringMs());
    } else this.#wakeBy(dueMs);
  }

  /** When it fires next if the condition goes on to hold. */
  #nextFiringMs(): number {
    const { forMs, everyMs, cooldownMs } = this.spec;
    if (this.#hasFired && everyMs === undefined) return NEVER;
    const dueMs = this.#hasFired ? this.#lastFiredMs + (everyMs ?? 0) : this.#heldSinceMs + forMs;
    return Math.max(dueMs, this.#lastFiredMs + cooldownMs);
  }

  #fire(nowMs: number, wallMs: number): void {
    this.#hasFired = true;
    this.#lastFiredMs = nowMs;
    if (this.#mayFire(nowMs)) {
      this.firings++;
      this.#isStanding = true;
      this.lastFiredAtMs = wallMs;
      this.#listener.fired(this.#planner.plan(this, wallMs));
    }
    this.#listener.changed(this);
  }

  #end(wallMs: number): void {
    if (!this.#isStanding) return;
    this.#isStanding = false;
    this.#listener.ended(this, wallMs);
    this.#listener.changed(this);
  }

  /** So many a minute; what two rules set off in each other comes to rest here. */
  #mayFire(nowMs: number): boolean {
    const { firingsPerMinute } = this.spec;
    const passed = ((nowMs - this.#tokensAtMs) * firingsPerMinute) / MINUTE_MS;
    this.#tokens = Math.min(firingsPerMinute, this.#tokens + passed);
    this.#tokensAtMs = nowMs;
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      this.#isLimited = false;
      return true;
    }
    if (!this.#isLimited) this.#listener.limited(this);
    this.#isLimited = true;
    return false;
  }

  #wakeBy(ms: number): void {
    if (ms < this.wakeAtMs) this.wakeAtMs = ms;
  }
}
