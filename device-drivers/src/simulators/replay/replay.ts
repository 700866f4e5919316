import { DeviceType, InvalidInputError, type Value } from '@millwright/protocol';
import { type Machine, STEP_MS } from '../machine.ts';
import type { DeviceTypeOf } from '../shipped-types.ts';
import type { Recording } from './recording.ts';

/** A recording as a machine: its values are those of the row whose time has come. At the end it begins again. */
export class Replay implements Machine {
  readonly #recording: Recording;
  readonly #lengthMs: number;
  #atMs = 0;
  #row = 0;
  readonly values: Readonly<Record<string, () => Value>>;
  readonly commands = {};

  constructor(recording: Recording) {
    this.#recording = recording;
    const { offsetsMs, values } = recording;
    const lastMs = offsetsMs.at(-1) ?? 0;
    // The last row lasts as long as a row does on average.
    this.#lengthMs = lastMs + Math.max(STEP_MS, lastMs / Math.max(1, offsetsMs.length - 1));
    this.values = Object.fromEntries(
      pointNames(recording).map((name, column) => [name, () => values[column]?.[this.#row] ?? Number.NaN]),
    );
  }

  /** Counted from 0. */
  get row(): number {
    return this.#row;
  }

  step(): void {
    this.#atMs += STEP_MS;
    if (this.#atMs >= this.#lengthMs) {
      this.#atMs %= this.#lengthMs;
      this.#row = 0;
    }
    const { offsetsMs } = this.#recording;
    while (this.#row + 1 < offsetsMs.length && (offsetsMs[this.#row + 1] ?? 0) <= this.#atMs) this.#row += 1;
  }
}

/** Column names as point ids: `Volume Flow RateRMS` → `volume_flow_rate_rms`. */
export function pointNames(recording: Recording): string[] {
  const taken = new Set<string>();
  return recording.columns.map((column, index) => {
    const words = column.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase();
    const plain = words.replace(/[^a-z0-9]+/g, '_').replace(/^_+|_+$/g, '') || `column_${index + 1}`;
    let name = plain;
    for (let again = 2; taken.has(name); again++) name = `${plain}_${again}`;
    taken.add(name);
    return name;
  });
}

/** The device type that reads a replay from Modbus: registers in the order of the columns, from 0. */
export function modbusReplayType(
  recording: Recording,
  options: { readonly name: string; readonly as: 'float32' | 'float64' },
): DeviceTypeOf<'modbus'> {
  const width = options.as === 'float64' ? 4 : 2;
  const points = pointNames(recording).map((name, index) => [
    name,
    { label: recording.columns[index], at: index * width, as: options.as },
  ]);
  const type = DeviceType.parse({
    type: `${options.name}@1`,
    driver: 'modbus',
    scans: { fast: '1s' },
    points: Object.fromEntries(points),
  });
  if (type.driver === 'modbus') return type;
  throw new InvalidInputError('SIMULATOR_TYPE', 'a replay on Modbus needs a Modbus type');
}

/** The device type that reads a replay from MQTT: one JSON document on `~/state`. */
export function mqttReplayType(
  recording: Recording,
  options: { readonly name: string },
): DeviceTypeOf<'mqtt'> {
  const points = pointNames(recording).map((name, index) => [
    name,
    { label: recording.columns[index], topic: '~/state', pick: `$.${name}`, as: 'float64' },
  ]);
  const type = DeviceType.parse({
    type: `${options.name}@1`,
    driver: 'mqtt',
    points: Object.fromEntries(points),
  });
  if (type.driver === 'mqtt') return type;
  throw new InvalidInputError('SIMULATOR_TYPE', 'a replay on MQTT needs an MQTT type');
}
