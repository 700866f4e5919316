import { DeviceSlug, ModbusPoint, PointId, UnitCode } from '@millwright/protocol';
import { stringify } from 'yaml';

/** A device of another gateway's configuration, in the words of our site files. */
export interface ImportedDevice {
  readonly id: string;
  readonly name?: string;
  readonly driver: 'modbus';
  readonly connect: Readonly<Record<string, unknown>>;
  readonly scans: Readonly<Record<string, string>>;
  readonly points: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface Imported {
  readonly devices: readonly ImportedDevice[];
  /** What could not be carried over, one sentence each, naming the thing in the words of its own file. */
  readonly lost: readonly string[];
}

/** What another gateway calls a unit, in UCUM. What is neither here nor UCUM is lost. */
const UNITS: Readonly<Record<string, string>> = {
  '°C': 'Cel',
  C: 'Cel',
  degC: 'Cel',
  degreesCelsius: 'Cel',
  Celsius: 'Cel',
  '°F': '[degF]',
  degreesFahrenheit: '[degF]',
  kWh: 'kW.h',
  Wh: 'W.h',
  Volts: 'V',
  Volt: 'V',
  Amps: 'A',
  Ampere: 'A',
  Watts: 'W',
  Hertz: 'Hz',
  percent: '%',
};

/** Collects one device's points: each with a name of its own, each one our schema takes. */
export class PointCollector {
  readonly #device: string;
  readonly #lost: string[];
  readonly #points: Record<string, Record<string, unknown>> = {};

  constructor(device: string, lost: string[]) {
    this.#device = device;
    this.#lost = lost;
  }

  get points(): ImportedDevice['points'] {
    return this.#points;
  }

  lose(name: string, what: string): void {
    this.#lost.push(`${this.#device}: ${name}: ${what}`);
  }

  /** @returns the point's id here, undefined when it was lost */
  add(name: string, point: Readonly<Record<string, unknown>>): string | undefined {
    const told = Object.fromEntries(Object.entries(point).filter(([, value]) => value !== undefined));
    if (typeof told.unit === 'string') {
      const unit = UNITS[told.unit] ?? told.unit;
      if (UnitCode.safeParse(unit).success) told.unit = unit;
      else {
        this.lose(name, `"${told.unit}" is no UCUM unit; the point has none now`);
        delete told.unit;
      }
    }
    const checked = ModbusPoint.safeParse(told);
    if (!checked.success) {
      const [issue] = checked.error.issues;
      this.lose(
        name,
        `left out: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is not understood'}`.trim(),
      );
      return undefined;
    }
    const id = uniqueName(pointIdFrom(name), (taken) => Object.hasOwn(this.#points, taken));
    this.#points[id] = told;
    return id;
  }

  /** Makes the point that stands at this address writable. @returns false when there is none */
  makeWritable(table: string, at: number, write: Readonly<Record<string, unknown>>): boolean {
    const point = Object.values(this.#points).find((each) => each.table === table && each.at === at);
    if (point === undefined) return false;
    point.write = write;
    return true;
  }
}

/** Gives every device an id of its own. */
export class DeviceIds {
  readonly #taken = new Set<string>();

  take(name: string): string {
    const id = uniqueName(slugFrom(name), (taken) => this.#taken.has(taken));
    this.#taken.add(id);
    return id;
  }
}

/** A site file, with what was lost as a comment at its head. */
export function siteFileOf({ devices, lost }: Imported, source: string): string {
  const head = [
    `Imported from ${source}. Values, units and byte orders were taken over, not tried:`,
    'read each device once and compare (millwright device read).',
    ...(lost.length === 0 ? [] : ['', 'Not carried over:', ...lost.map((line) => `- ${line}`)]),
  ];
  const comment = head.map((line) => `# ${line.replaceAll(/[\r\n]+/g, ' ')}`.trimEnd()).join('\n');
  return `${comment}\n${stringify(devices, { lineWidth: 110 })}`;
}

function slugFrom(name: string): string {
  const slug = plain(name)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 56);
  return DeviceSlug.safeParse(slug).success ? slug : 'device';
}

function pointIdFrom(name: string): string {
  const id = plain(name)
    .replaceAll(/[^A-Za-z0-9_]+/g, '_')
    .replaceAll(/^_+|_+$/g, '')
    .slice(0, 120);
  return PointId.safeParse(id).success ? id : 'point';
}

/** Without accents: `Température` → `Temperature`. */
function plain(name: string): string {
  return name.normalize('NFKD').replaceAll(/\p{M}/gu, '');
}

function uniqueName(wanted: string, isTaken: (name: string) => boolean): string {
  let name = wanted;
  for (let number = 2; isTaken(name); number++) name = `${wanted}_${number}`.replace(/^([a-z0-9-]+)_/, '$1-');
  return name;
}
