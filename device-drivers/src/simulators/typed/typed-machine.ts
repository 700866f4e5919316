import { InvalidInputError, type ModbusPoint, type Value, withProtocolAddresses } from '@millwright/protocol';
import { clamp, type Machine, STEP_MS } from '../machine.ts';
import { Random, Wander } from '../random.ts';
import type { DeviceTypeOf } from '../shipped-types.ts';
import { reachOf, shapeOf } from './signal-shape.ts';

const STEP_S = STEP_MS / 1000;
const MEMORY_S = 90;
/** Mean time between two changes of what is on or off, or in one of several states. */
const CHANGE_EVERY_S = 60;

interface Signal {
  readonly value: () => Value;
  readonly step?: () => void;
  /** Absent: read only. @returns false when the device refuses the value */
  readonly write?: (value: Value) => boolean;
}

/**
 * A machine of which nothing is known but its device type: every point has a value that its class, its unit, its range
 * and its alarms allow, and what is written stays written.
 */
export class TypedMachine implements Machine {
  readonly values: Record<string, () => Value> = {};
  readonly commands: Record<string, (value: Value) => boolean> = {};
  readonly #steps: (() => void)[] = [];

  /** @throws InvalidInputError `SIMULATOR_TYPE` for a type without points */
  constructor(type: DeviceTypeOf<'modbus'>, config: { readonly seed: number }) {
    const { points, defaults } = withProtocolAddresses(type);
    const factors = new Set(Object.values(points).map(({ scaleFrom }) => scaleFrom));
    for (const [id, point] of Object.entries(points)) {
      const table = point.table ?? defaults.table;
      const isBool = point.as === 'bool' || table === 'coil' || table === 'discrete';
      const signal = factors.has(id) ? constant(0) : signalOf(id, point, isBool, new Random(config.seed, id));
      this.values[id] = signal.value;
      if (signal.step !== undefined) this.#steps.push(signal.step);
      if (signal.write !== undefined) this.commands[id] = signal.write;
    }
    if (Object.keys(points).length === 0) {
      throw new InvalidInputError('SIMULATOR_TYPE', `device type ${type.type} has no points to simulate`);
    }
  }

  step(): void {
    for (const step of this.#steps) step();
  }
}

function signalOf(id: string, point: ModbusPoint, isBool: boolean, random: Random): Signal {
  if (isBool) return choice([false, true], point.write !== undefined, random);
  if (point.as === 'text') return text(id, point);
  const labelled = Object.keys(point.enum ?? {}).map(Number);
  if (labelled.length > 0) return choice(labelled, point.write !== undefined, random);
  const { kind, centre, spread } = shapeOf(point);
  const [low, high] = reachOf(point);
  if (kind === 'count') return counter(centre * random.uniform(0.5, 1), spread, random);
  if (kind === 'hold') return held(clamp(centre, low, high), point);
  const wander = new Wander(random, { deviation: spread / 2, timeS: MEMORY_S });
  const home = centre + spread * random.uniform(-0.5, 0.5);
  return {
    value: () => clamp(home + wander.value, low, high),
    step: () => {
      wander.advance(STEP_S);
    },
  };
}

function constant(value: Value): Signal {
  return { value: () => value };
}

function choice(values: readonly Value[], isWritable: boolean, random: Random): Signal {
  const pick = () => values[Math.floor(random.uniform(0, values.length))] ?? null;
  let now = pick();
  if (!isWritable) {
    return {
      value: () => now,
      step: () => {
        if (random.chance(STEP_S / CHANGE_EVERY_S)) now = pick();
      },
    };
  }
  return {
    value: () => now,
    write: (value) => {
      now = value;
      return true;
    },
  };
}

function counter(first: number, perHour: number, random: Random): Signal {
  let total = first;
  return {
    value: () => total,
    step: () => {
      total += (perHour / 3600) * STEP_S * random.uniform(0.7, 1.3);
    },
  };
}

function held(first: number, point: ModbusPoint): Signal {
  let now: Value = first;
  if (point.write === undefined) return constant(now);
  const [low, high] = point.write.range ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  return {
    value: () => now,
    write: (value) => {
      if (!(Number(value) >= low && Number(value) <= high)) return false;
      now = value;
      return true;
    },
  };
}

function text(id: string, point: ModbusPoint): Signal {
  let now: Value = (point.label ?? id).slice(0, 2 * (point.length ?? 1));
  if (point.write === undefined) return constant(now);
  return {
    value: () => now,
    write: (value) => {
      now = value;
      return true;
    },
  };
}
