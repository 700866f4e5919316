import type { ReceivedMetric } from '@millwright/device-drivers/sparkplug';
import { PointId, UnitCode } from '@millwright/protocol';
import { plainText, type SiteEntry, slugOf } from '../devices/pending-devices.ts';

/** More metrics than this are not proposed as points. */
const MAX_POINTS = 2000;

const AS_OF_TYPE: Readonly<Record<string, 'bool' | 'text' | 'int64' | 'uint64' | 'float64'>> = {
  Int8: 'float64',
  Int16: 'float64',
  Int32: 'float64',
  UInt8: 'float64',
  UInt16: 'float64',
  UInt32: 'float64',
  Float: 'float64',
  Double: 'float64',
  Int64: 'int64',
  UInt64: 'uint64',
  DateTime: 'uint64',
  Boolean: 'bool',
  String: 'text',
  Text: 'text',
  UUID: 'text',
};

/** Whose birth certificate it is; without `device` the edge node's own. */
export interface BirthOf {
  readonly group: string;
  readonly node: string;
  readonly device: string | undefined;
}

export interface BirthDraft {
  /** Absent when no metric could be carried over. */
  readonly entry: SiteEntry | undefined;
  readonly skipped: readonly string[];
}

/** What a birth certificate says, as an entry of a site file: driver `sparkplug`, one point per metric, none writable. */
export function birthEntry({ group, node, device }: BirthOf, metrics: readonly ReceivedMetric[]): BirthDraft {
  const points: Record<string, object> = {};
  const skipped: string[] = [];
  for (const metric of metrics) {
    const { name, type } = metric;
    if (name === undefined || name === 'bdSeq' || name.startsWith('Node Control/')) continue;
    const as = type === undefined ? undefined : AS_OF_TYPE[type];
    const label = plainText(name, 200);
    if (as === undefined || label === '' || name.length > 500) {
      skipped.push(`metric "${label}" is of a type that is not read here`);
    } else if (Object.keys(points).length >= MAX_POINTS) {
      skipped.push(`more than ${MAX_POINTS} metrics: "${label}" is left out`);
    } else {
      const unit = as === 'bool' || as === 'text' ? undefined : unitOf(metric);
      points[freeId(name, points)] = { metric: name, as, label, ...(unit === undefined ? {} : { unit }) };
    }
  }
  if (Object.keys(points).length === 0) return { entry: undefined, skipped };
  const name = plainText(device ?? node, 120);
  const connect = { broker: 'local', group, node, ...(device === undefined ? {} : { device }) };
  return { entry: { id: slugOf(name), name, driver: 'sparkplug', connect, points }, skipped };
}

/** Only what is a UCUM code: a unit that means something else here would be worse than none. */
function unitOf({ properties }: ReceivedMetric): string | undefined {
  const unit = properties.get('engUnit') ?? properties.get('Engineering Units');
  if (typeof unit !== 'string' || !/^[!-~°³²µ]{1,40}$/.test(unit)) return undefined;
  const parsed = UnitCode.safeParse(unit);
  return parsed.success ? parsed.data : undefined;
}

function freeId(name: string, taken: Readonly<Record<string, object>>): string {
  const base = name
    .normalize('NFKD')
    .replace(/[^A-Za-z0-9_.-]+/g, '_')
    .slice(0, 100)
    .replace(/^[^A-Za-z0-9_]+|[^A-Za-z0-9_]+$/g, '');
  const id = PointId.safeParse(base).success ? base : 'metric';
  if (!Object.hasOwn(taken, id)) return id;
  for (let turn = 2; ; turn++) if (!Object.hasOwn(taken, `${id}_${turn}`)) return `${id}_${turn}`;
}
