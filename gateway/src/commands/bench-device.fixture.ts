import {
  DeviceSlug,
  InvalidInputError,
  PointId,
  PointNo,
  type PointSpec,
  type Sample,
  UnavailableError,
  type Value,
} from '@millwright/protocol';
import type { CommandDevice, CommandDevices, CommandPoint, CommandPoints } from './ports.ts';

type Write = NonNullable<PointSpec['write']>;

/** One device in memory, with points of every kind: the twin of a driver and its table, and a log of what moved. */
export class BenchDevice implements CommandPoints, CommandDevices {
  readonly values = new Map<string, Value>();
  readonly written: string[] = [];
  readonly #points = new Map<string, CommandPoint>();
  online = true;
  /** Called for each write before the value changes; may throw or wait. */
  onWrite: (value: Value) => void | Promise<void> = () => undefined;
  /** What the device makes of a written value. */
  settle: (value: Value) => Value = (value) => value;
  /** Cannot be asked, like an MQTT device: `latest` changes instead. */
  isSilent = false;
  /** What a dry run says would be sent; an error: it cannot be encoded. */
  raw: string | Error | undefined;
  #writes = 0;

  constructor() {
    this.add('limit', 'float64', 100, { range: [0, 400] });
    this.add('count', 'int64', 5n);
    this.add('total', 'uint64', 5n);
    this.add('breaker', 'bool', false);
    this.add('recipe', 'text', 'A');
    this.add('setpoint', 'float64', 20, { role: 'engineer' });
    this.add('press', 'float64', 0, { risk: 'high' });
    this.add('temperature', 'float64', 21.5, null);
  }

  add(name: string, kind: CommandPoint['kind'], value: Value, write: Partial<Write> | null = {}): void {
    const rule: Write = {
      role: 'operator',
      risk: 'medium',
      confirm: { readback: 2000, tolerance: 0 },
      ...(write ?? {}),
    };
    const spec: PointSpec = { topic: name, as: 'float64', ...(write === null ? {} : { write: rule }) };
    this.#points.set(name, { no: PointNo.parse(this.#points.size), kind, spec });
    this.values.set(name, value);
  }

  find(device: DeviceSlug): CommandDevice | undefined;
  find(device: DeviceSlug, point: PointId): CommandPoint | undefined;
  find(device: DeviceSlug, point?: PointId): CommandDevice | CommandPoint | undefined {
    if (device !== 'pump-1' && device !== 'pump-2') return undefined;
    if (point !== undefined) return this.#points.get(point);
    return {
      name: 'Pump 1',
      online: this.online,
      ...(this.online ? {} : { why: 'no answer' }),
      driver: {
        write: (_device, id, value) => this.#write(id, value),
        read: (_device, id) => this.#read(id),
        ...(this.raw === undefined ? {} : { describeWrite: () => this.#describe() }),
      },
    };
  }

  latest(no: PointNo): Sample | undefined {
    for (const [name, point] of this.#points) {
      if (point.no !== no) continue;
      return { v: this.values.get(name) ?? null, q: 'good', tSource: this.#writes, tGateway: this.#writes };
    }
    return undefined;
  }

  #describe(): string {
    if (typeof this.raw === 'string') return this.raw;
    throw this.raw;
  }

  async #write(point: PointId, value: Value): Promise<void> {
    await this.onWrite(value);
    this.written.push(`${point}=${String(value)}`);
    this.values.set(point, this.settle(value));
    this.#writes++;
  }

  async #read(point: PointId): Promise<Value | null> {
    if (this.isSilent) return null;
    if (!this.online) throw new UnavailableError('DEVICE_OFFLINE', 'no answer');
    return this.values.get(point) ?? null;
  }
}

export const DEVICE = DeviceSlug.parse('pump-1');
export const pointId = (name: string): PointId => PointId.parse(name);
export const refusedByDevice = new InvalidInputError(
  'ILLEGAL_VALUE',
  'the device answered "illegal data value"',
);
