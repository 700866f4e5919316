import type { MqttLink } from '@millwright/device-drivers';
import type {
  CatalogEntry,
  Clock,
  Lifecycle,
  Location,
  Logger,
  PointNo,
  Receipt,
  Sample,
  SampleSink,
  WriteCommand,
} from '@millwright/protocol';
import { type PointRef, pointText, type RuleSpec } from '@millwright/protocol/automation';
import type { AlarmRegister } from '../alarms/alarm-register.ts';
import type { GatewayEvents } from '../gateway-events.ts';
import type { Kv } from '../journal/kv/kv.ts';
import { ActionRunner } from './action-runner.ts';
import type { ActiveRule } from './active-rule.ts';
import { type BoundRule, RuleEngine } from './engine.ts';
import { RuleMemory } from './rule-memory.ts';
import type { RuleCounts, RuleView } from './rule-view.ts';

export interface RuleLaneDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly kv: Pick<Kv, 'list' | 'commit'>;
  readonly catalog: { entries(): readonly CatalogEntry[] };
  readonly points: { sample(no: PointNo): Sample | undefined };
  readonly alarms: Pick<AlarmRegister, 'raise' | 'clear' | 'standing' | 'isActive'>;
  readonly events: Pick<GatewayEvents, 'note'>;
  readonly command: (command: WriteCommand) => Promise<Receipt>;
  readonly broker: () => Pick<MqttLink, 'publish'> | undefined;
}

/** A gateway's rules: reads what is recorded, and does what they decide. */
export class RuleLane implements Lifecycle {
  readonly #deps: RuleLaneDeps;
  readonly #engine: RuleEngine;
  readonly #memory: RuleMemory;
  readonly #runner: ActionRunner;
  #disabled: readonly RuleSpec[] = [];
  /** Of rules that are gone, so that counters only rise. */
  #evaluationsBefore = 0;
  #errorsBefore = 0;
  #firingsHere = 0;

  constructor(deps: RuleLaneDeps, config: { readonly location: Location }) {
    const { clock, logger, kv, alarms, events, command, broker } = deps;
    this.#deps = deps;
    this.#runner = new ActionRunner({
      ...{ clock, alarms, command, broker },
      note: (...event) => events.note(...event),
      onFailed: (rule, message) => this.#rule(rule)?.failed(clock.wallMs(), message),
    });
    this.#engine = new RuleEngine({
      clock,
      location: config.location,
      listener: {
        fired: (firing) => {
          this.#firingsHere += 1;
          this.#runner.fire(firing);
        },
        ended: ({ spec, alarms: own }) => {
          this.#runner.end(spec.id, own, `${spec.label ?? spec.id}: no longer so`);
        },
        limited: (rule) => this.#limited(rule),
        changed: (rule) => this.#memory.changed(rule),
      },
    });
    this.#memory = new RuleMemory({ clock, logger, kv, nowMs: () => this.#engine.nowMs });
  }

  async start(): Promise<void> {
    await this.#memory.load();
  }

  async stop(): Promise<void> {
    this.#engine.stop();
    await this.#runner.stop();
    await this.#memory.stop();
  }

  readonly accept: SampleSink = (batch) => this.#engine.accept(batch);

  /** Makes `specs` the rules, undisturbed where nothing changed. Call it again when devices have changed. */
  apply(specs: readonly RuleSpec[]): void {
    const before = this.#engine.rules;
    const enabled = specs.filter(({ enabled: isEnabled }) => isEnabled);
    const fresh = this.#engine.apply(this.#bind(enabled));
    this.#disabled = specs.filter(({ enabled: isEnabled }) => !isEnabled);
    const now = new Set(this.#engine.rules);
    for (const rule of before) {
      if (now.has(rule)) continue;
      this.#evaluationsBefore += rule.evaluations;
      this.#errorsBefore += rule.errors;
    }
    const latest = newestOf(this.#deps);
    for (const rule of fresh) {
      this.#memory.restore(rule);
      // What it said before may have raised them: its condition still ends them.
      if (rule.alarms.some(({ point, name }) => this.#deps.alarms.isActive({ ...point, alarm: name })))
        rule.stand();
      this.#engine.seed(rule, latest);
    }
    this.#memory.apply(this.#engine.rules);
    this.#clearOrphans();
    this.#engine.begin(fresh);
  }

  views(): RuleView[] {
    const running = this.#engine.rules.map((rule) => viewOf(rule.spec, rule));
    return [...running, ...this.#disabled.map((spec) => viewOf(spec, undefined))].sort((a, b) =>
      a.id < b.id ? -1 : 1,
    );
  }

  get counts(): RuleCounts {
    let evaluations = this.#evaluationsBefore;
    let errors = this.#errorsBefore;
    for (const rule of this.#engine.rules) {
      evaluations += rule.evaluations;
      errors += rule.errors;
    }
    return { rules: this.#engine.rules.length, evaluations, firings: this.#firingsHere, errors };
  }

  #rule(id: string): ActiveRule | undefined {
    return this.#engine.rules.find(({ spec }) => spec.id === id);
  }

  /** A point that was described otherwise before has several numbers; only the newest still gets samples. */
  #bind(specs: readonly RuleSpec[]): BoundRule[] {
    const wanted = new Map<string, PointNo[]>();
    const refs = (spec: RuleSpec) => Object.values(spec.inputs).map(({ ref }) => pointText(ref));
    for (const spec of specs) for (const ref of refs(spec)) wanted.set(ref, []);
    for (const { device, point, no } of this.#deps.catalog.entries())
      wanted.get(`${device}/${point}`)?.push(no);
    return specs.map((spec) => ({ spec, numbers: refs(spec).map((ref) => wanted.get(ref) ?? []) }));
  }

  /** Alarms of rules that are gone would otherwise stand for ever. */
  #clearOrphans(): void {
    const own = new Set(
      this.#engine.rules.flatMap(({ alarms }) =>
        alarms.map(({ point, name }) => `${pointText(point)}/${name}`),
      ),
    );
    for (const alarm of this.#deps.alarms.standing()) {
      if (alarm.kind !== 'automation' || own.has(`${alarm.device}/${alarm.point}/${alarm.alarm}`)) continue;
      this.#deps.alarms.clear(alarm, `${alarm.message}: the rule is no longer there`);
    }
  }

  #limited(rule: ActiveRule): void {
    const { id, firingsPerMinute } = rule.spec;
    const message = `rule ${id} fires more than ${firingsPerMinute} times a minute; what is above is left out`;
    rule.failed(this.#deps.clock.wallMs(), message);
    this.#deps.logger.warn({ rule: id }, message);
    void this.#deps.events.note('rule.limited', message, { data: { rule: id } });
  }
}

/** The newest sample of a point, under whichever number it comes now. */
function newestOf({ catalog, points }: RuleLaneDeps): (ref: PointRef) => Sample | undefined {
  const entries = catalog.entries();
  return ({ device, point }) => {
    for (let at = entries.length - 1; at >= 0; at--) {
      const entry = entries[at];
      if (entry?.device !== device || entry.point !== point) continue;
      const sample = points.sample(entry.no);
      if (sample !== undefined) return sample;
    }
    return undefined;
  };
}

function viewOf(spec: RuleSpec, rule: ActiveRule | undefined): RuleView {
  return {
    id: spec.id,
    label: spec.label ?? null,
    enabled: rule !== undefined,
    when: spec.when ?? null,
    holds: rule?.holds ?? false,
    dueAtMs: rule?.dueAtMs ?? null,
    lastFiredAtMs: rule?.lastFiredAtMs ?? null,
    firings: rule?.firings ?? 0,
    evaluations: rule?.evaluations ?? 0,
    errors: rule?.errors ?? 0,
    lastError: rule?.lastError ?? null,
  };
}
