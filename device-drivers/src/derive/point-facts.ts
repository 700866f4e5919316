import type { ComputedPoint, DeviceSpec, PointId, PointSpec } from '@millwright/protocol';

/** What every consumer of a device file wants to know of a point, whatever its driver. */
export interface PointFacts {
  readonly id: PointId;
  /** Its label, or its id made readable. */
  readonly name: string;
  readonly kind: 'number' | 'integer' | 'bool' | 'text';
  /** The smallest step its encoding can express; absent for floats. */
  readonly step?: number;
  /** Labels of its values, written as JSON writes them: `0`, `true`. */
  readonly labels: ReadonlyMap<string, string>;
  /** Absent: nobody may write it. */
  readonly write?: PointSpec['write'];
  /** As the file has it. Computed points are known to no driver. */
  readonly spec: PointSpec | ComputedPoint;
  readonly isComputed: boolean;
}

/** All points of a device, those of its driver first. */
export function pointFacts(device: DeviceSpec): PointFacts[] {
  const own = Object.entries(device.points).map(([id, spec]): PointFacts => {
    const step = stepOf(device, spec);
    return {
      ...common(id, spec),
      kind: kindOf(device, spec, step),
      ...(step === undefined ? {} : { step }),
      ...(spec.write === undefined ? {} : { write: spec.write }),
      isComputed: false,
    };
  });
  const computed = Object.entries(device.computed ?? {}).map(([id, spec]): PointFacts => {
    const kind = spec.as === 'float64' ? 'number' : spec.as;
    return { ...common(id, spec), kind, isComputed: true };
  });
  return [...own, ...computed];
}

/** `flow_rate.max` → `Flow rate max`. */
export function readable(id: string): string {
  const words = id.replace(/[_.-]+/g, ' ').trim();
  return words === '' ? id : words.charAt(0).toUpperCase() + words.slice(1);
}

function common(
  id: string,
  spec: PointSpec | ComputedPoint,
): Pick<PointFacts, 'id' | 'name' | 'labels' | 'spec'> {
  const labels = new Map(Object.entries(spec.enum ?? {}));
  return { id: id as PointId, name: spec.label ?? readable(id), labels, spec };
}

function kindOf(device: DeviceSpec, spec: PointSpec, step: number | undefined): PointFacts['kind'] {
  if (device.driver === 'modbus' && 'table' in spec) {
    const table = spec.table ?? device.defaults.table;
    if (table === 'coil' || table === 'discrete') return 'bool';
  }
  const as = 'as' in spec ? spec.as : 'float64';
  if (as === 'bool' || as === 'text') return as;
  return step !== undefined && Number.isInteger(step) ? 'integer' : 'number';
}

function stepOf(device: DeviceSpec, spec: PointSpec): number | undefined {
  const as = 'as' in spec ? spec.as : 'float64';
  if (as === 'bool' || as === 'text' || as.startsWith('float')) return undefined;
  if (device.driver === 'host' || ('scaleFrom' in spec && spec.scaleFrom !== undefined)) return undefined;
  const offset = 'offset' in spec ? (spec.offset ?? 0) : 0;
  const scale = 'scale' in spec ? Math.abs(spec.scale ?? 1) : 1;
  return Number.isInteger(offset / scale) ? scale : undefined;
}
