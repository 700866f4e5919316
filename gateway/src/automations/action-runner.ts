import { randomUUID } from 'node:crypto';
import type { MqttLink } from '@millwright/device-drivers';
import {
  type Clock,
  delay,
  describeError,
  type EventRecord,
  type JsonValue,
  MillwrightError,
  type Receipt,
  type WriteCommand,
  withDeadline,
} from '@millwright/protocol';
import type { AlarmRegister } from '../alarms/alarm-register.ts';
import { type AlarmOfRule, describeAction, type Firing, type PlannedAction } from './firing.ts';

/** Firings of one rule that may wait while its last one is being carried out. */
const MAX_WAITING = 4;
const ACTION_WITHIN_MS = 30_000;
/** A write that could not be begun within this is no longer what the rule meant. */
const WRITE_EXPIRES_MS = 10_000;
const STOP_WITHIN_MS = 3000;
const MAX_DATA_TEXT = 300;

export interface ActionRunnerDeps {
  readonly clock: Clock;
  /** The only way to a machine. */
  readonly command: (command: WriteCommand) => Promise<Receipt>;
  readonly alarms: Pick<AlarmRegister, 'raise' | 'clear'>;
  /** The gateway's own broker, once it runs. */
  readonly broker: () => Pick<MqttLink, 'publish'> | undefined;
  /** Writes an event; never rejects. */
  readonly note: (
    type: EventRecord['type'],
    message: string,
    more: Pick<EventRecord, 'device' | 'point' | 'data'>,
  ) => Promise<void>;
  /** Told when an action did not succeed. */
  readonly onFailed: (rule: string, message: string) => void;
}

/**
 * Carries out what rules decide: the actions of a firing one after the other, the firings of a rule one after the
 * other, different rules side by side. An action that fails is an event, and the next one follows all the same.
 */
export class ActionRunner {
  readonly #deps: ActionRunnerDeps;
  readonly #last = new Map<string, { readonly done: Promise<void>; waiting: number }>();
  #isStopped = false;

  constructor(deps: ActionRunnerDeps) {
    this.#deps = deps;
  }

  /** Never throws, and returns at once. */
  fire(firing: Firing): void {
    if (this.#isStopped) return;
    const before = this.#last.get(firing.rule);
    const waiting = (before?.waiting ?? 0) + 1;
    if (waiting > MAX_WAITING) {
      void this.#failed(firing, `${MAX_WAITING} firings wait already; this one is left out`);
      return;
    }
    const entry = { done: Promise.resolve(before?.done).then(() => this.#carryOut(firing)), waiting };
    this.#last.set(firing.rule, entry);
    void entry.done.finally(() => {
      const last = this.#last.get(firing.rule);
      if (last === entry) this.#last.delete(firing.rule);
      else if (last !== undefined) last.waiting -= 1;
    });
  }

  /** A rule's condition no longer holds: its alarms are over. */
  end(rule: string, alarms: readonly AlarmOfRule[], message: string): void {
    // Behind what was fired before, so that an alarm is not cleared before it is raised.
    const clear = () => {
      for (const { point, name } of alarms) this.#deps.alarms.clear({ ...point, alarm: name }, message);
    };
    const before = this.#last.get(rule);
    if (before === undefined) clear();
    else void before.done.then(clear);
  }

  /** Waits a moment for what has fired to be done: it does not fire again for the same. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const isDone = new AbortController();
    await Promise.race([
      Promise.all([...this.#last.values()].map(({ done }) => done)).finally(() => isDone.abort()),
      delay(this.#deps.clock, STOP_WITHIN_MS, { signal: isDone.signal }).catch(() => undefined),
    ]);
    this.#last.clear();
  }

  async #carryOut(firing: Firing): Promise<void> {
    const { rule, label = rule, inputs, actions } = firing;
    const data: Record<string, JsonValue> = { rule, actions: actions.length };
    for (const [name, value] of Object.entries(inputs)) data[`input.${name}`] = shortened(value);
    await this.#deps.note('rule.fired', `rule ${rule} fired: ${label}`, { data });
    for (const action of actions) {
      try {
        await this.#do(firing, action);
      } catch (error) {
        await this.#failed(firing, `${describeAction(action)}: ${describeError(error)}`);
      }
    }
  }

  async #do(firing: Firing, action: PlannedAction): Promise<void> {
    switch (action.type) {
      case 'write':
        return this.#write(firing, action);
      case 'alarm': {
        const { point, name, priority, message } = action;
        this.#deps.alarms.raise({ ...point, alarm: name, priority, message, kind: 'automation' });
        return;
      }
      case 'publish':
        return this.#publish(action);
      case 'review':
        return this.#review(firing, action);
      case 'impossible':
        throw new MillwrightError('ACTION_IMPOSSIBLE', action.why);
    }
  }

  /** The same checks as for anybody else who writes. */
  async #write({ rule }: Firing, action: Extract<PlannedAction, { type: 'write' }>): Promise<void> {
    const nowMs = this.#deps.clock.wallMs();
    const receipt = await this.#deps.command({
      id: `rul_${randomUUID()}`,
      device: action.point.device,
      point: action.point.point,
      value: action.value,
      by: { name: `rule:${rule}`, role: 'operator' },
      issuedAtMs: nowMs,
      expiresAtMs: nowMs + WRITE_EXPIRES_MS,
    });
    if (receipt.result !== 'done') throw new MillwrightError(receipt.code ?? 'WRITE_FAILED', receipt.message);
  }

  async #publish(action: Extract<PlannedAction, { type: 'publish' }>): Promise<void> {
    const broker = this.#deps.broker();
    if (broker === undefined) throw new MillwrightError('BROKER_ABSENT', 'the MQTT broker does not run');
    const { topic, payload, retain, qos } = action;
    const what = `publishing to ${topic}`;
    await withDeadline({ clock: this.#deps.clock, withinMs: ACTION_WITHIN_MS, what }, (signal) =>
      Promise.race([broker.publish(topic, payload, { retain, qos }), aborted(signal)]),
    );
  }

  /** A person decides, elsewhere and later. */
  async #review(firing: Firing, action: Extract<PlannedAction, { type: 'review' }>): Promise<void> {
    const { rule, inputs } = firing;
    const data: Record<string, JsonValue> = { rule, firedAtMs: firing.atMs };
    if (action.detail !== undefined) data.detail = action.detail;
    for (const [name, value] of Object.entries(inputs)) data[`input.${name}`] = shortened(value);
    await this.#deps.note('item.review', action.title, { data });
  }

  async #failed({ rule }: Firing, message: string): Promise<void> {
    this.#deps.onFailed(rule, message);
    await this.#deps.note('rule.failed', `rule ${rule}: ${message}`, { data: { rule } });
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function shortened(value: JsonValue): JsonValue {
  return typeof value === 'string' ? value.slice(0, MAX_DATA_TEXT) : value;
}
