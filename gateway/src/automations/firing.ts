import { describeError, type JsonValue, toJsonValue, type Value } from '@millwright/protocol';
import {
  type ActionSpec,
  compileAs,
  filledIn,
  inputTypesOf,
  type PointRef,
  pointText,
  type RuleSpec,
} from '@millwright/protocol/automation';
import type { Expression, ExpressionInputs } from '@millwright/protocol/expression';

/** An action with everything filled in, as it is to be carried out. */
export type PlannedAction =
  | { readonly type: 'write'; readonly point: PointRef; readonly value: number | boolean | string }
  | {
      readonly type: 'alarm';
      readonly point: PointRef;
      readonly name: string;
      readonly priority: 'low' | 'medium' | 'high' | 'critical';
      readonly message: string;
    }
  | {
      readonly type: 'publish';
      readonly topic: string;
      readonly payload: string;
      readonly retain: boolean;
      readonly qos: 0 | 1;
    }
  | { readonly type: 'review'; readonly title: string; readonly detail: string | undefined }
  /** It could not be worked out what to do. */
  | { readonly type: 'impossible'; readonly what: string; readonly why: string };

/** A rule fired. */
export interface Firing {
  readonly rule: string;
  readonly label: string | undefined;
  /** Epoch ms. */
  readonly atMs: number;
  /** What the inputs were. */
  readonly inputs: Readonly<Record<string, JsonValue>>;
  readonly actions: readonly PlannedAction[];
}

export interface AlarmOfRule {
  readonly point: PointRef;
  readonly name: string;
}

const MAX_SHOWN = 80;
const MAX_TEXT = 1000;

/** One line for people, and for what a test expects. */
export function describeAction(action: PlannedAction): string {
  switch (action.type) {
    case 'write':
      return `write ${pointText(action.point)} = ${JSON.stringify(action.value)}`;
    case 'alarm':
      return `alarm ${action.priority} ${pointText(action.point)} ${action.name}: ${action.message}`;
    case 'publish':
      return `publish ${action.topic}${action.retain ? ' (retained)' : ''}: ${action.payload}`;
    case 'review':
      return `review: ${action.title}${action.detail === undefined ? '' : ` (${action.detail})`}`;
    case 'impossible':
      return `impossible: ${action.what}: ${action.why}`;
  }
}

/** Makes what a rule wants to do into what is to be done, for the inputs of the moment. */
export class ActionPlanner {
  readonly #rule: RuleSpec;
  readonly #names: readonly string[];
  /** By position of the action; most have a fixed value. */
  readonly #computed: readonly (Expression | undefined)[];

  /** @throws ExpressionError when the rule was not checked before */
  constructor(rule: RuleSpec) {
    this.#rule = rule;
    this.#names = Object.keys(rule.inputs);
    const types = inputTypesOf(rule);
    this.#computed = rule.actions.map((action) =>
      action.type === 'write' && typeof action.value === 'object'
        ? compileAs(action.value.from, types)
        : undefined,
    );
  }

  /** The alarms this rule raises. */
  get alarms(): readonly AlarmOfRule[] {
    return this.#rule.actions.flatMap((action) => {
      const point = action.type === 'alarm' ? this.#alarmPoint(action) : undefined;
      return action.type === 'alarm' && point !== undefined ? [{ point, name: this.#alarmName(action) }] : [];
    });
  }

  plan(inputs: ExpressionInputs, atMs: number): Firing {
    const { id, label, actions } = this.#rule;
    const values = Object.fromEntries(this.#names.map((name, at) => [name, toJsonValue(inputs.value(at))]));
    const fill = (text: string) =>
      filledIn(text, (name) => shown(inputs.value(this.#names.indexOf(name)))).slice(0, MAX_TEXT);
    const whole = () => JSON.stringify({ rule: id, atMs, inputs: values });
    const planned = actions.map((action, at): PlannedAction => {
      if (action.type === 'write') return this.#write(action, at, inputs);
      if (action.type === 'alarm') return this.#alarm(action, fill);
      if (action.type === 'publish')
        return { ...action, payload: action.payload === undefined ? whole() : fill(action.payload) };
      return { ...action, title: fill(action.title), detail: action.detail && fill(action.detail) };
    });
    return { rule: id, label, atMs, inputs: values, actions: planned };
  }

  #write(
    action: Extract<ActionSpec, { type: 'write' }>,
    at: number,
    inputs: ExpressionInputs,
  ): PlannedAction {
    const { type, point, value } = action;
    if (typeof value !== 'object') return { type, point, value };
    const what = `write ${pointText(point)} = ${value.from}`;
    try {
      const outcome = this.#computed[at]?.evaluate(inputs);
      const found = outcome?.value ?? null;
      if (found === null || typeof found === 'bigint')
        return { type: 'impossible', what, why: outcome?.why ?? 'it has no value' };
      return { type, point, value: found };
    } catch (error) {
      return { type: 'impossible', what, why: describeError(error) };
    }
  }

  #alarm(action: Extract<ActionSpec, { type: 'alarm' }>, fill: (text: string) => string): PlannedAction {
    const { type, priority } = action;
    const point = this.#alarmPoint(action);
    const message = fill(action.message);
    if (point === undefined) return { type: 'impossible', what: `alarm ${message}`, why: 'it has no point' };
    return { type, point, name: this.#alarmName(action), priority, message };
  }

  #alarmPoint(action: Extract<ActionSpec, { type: 'alarm' }>): PointRef | undefined {
    const [first] = this.#names;
    return action.point ?? (first === undefined ? undefined : this.#rule.inputs[first]?.ref);
  }

  #alarmName(action: Extract<ActionSpec, { type: 'alarm' }>): string {
    return action.name ?? this.#rule.id;
  }
}

function shown(value: Value): string {
  if (value === null) return 'unknown';
  if (typeof value === 'number') return String(Number(value.toPrecision(6)));
  return String(value).slice(0, MAX_SHOWN);
}
