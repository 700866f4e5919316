import type { DeviceSpec, PointId, PointSpec } from '@millwright/protocol';

/** What every consumer of a device file wants to know of a point, whatever its driver. */
export interface PointFacts {
  readonly id: PointId;
  readonly spec: PointSpec;
  /** Its label, or its id made readable. */
  readonly name: string;
  readonly kind: 'number' | 'integer' | 'bool' | 'text';
  /** The smallest step its encoding can express; absent for floats. */
  readonly step?: number;
}

export function pointFacts(device: DeviceSpec): PointFacts[] {
  return Object.entries(device.points).map(([id, spec]) => {
    const step = stepOf(device, spec);
    return {
      id: id as PointId,
      spec,
      name: spec.label ?? readable(id),
      kind: kindOf(device, spec, step),
      ...(step === undefined ? {} : { step }),
    };
  });
}

/** `flow_rate.max` → `Flow rate max`. */
export function readable(id: string): string {
  const words = id.replace(/[_.-]+/g, ' ').trim();
  return words === '' ? id : words.charAt(0).toUpperCase() + words.slice(1);
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
  const offset = 'offset' in spec ? (spec.offset ?? 0) : 0;
  const scale = 'scale' in spec ? Math.abs(spec.scale ?? 1) : 1;
  return device.driver !== 'host' && Number.isInteger(offset / scale) ? scale : undefined;
}
