import { type CatalogEntry, type DeviceSpec, describedPoints, type PointId } from '@millwright/protocol';
import type { CatalogWish } from './catalog.ts';

/** What is known of each of a device's points, computed ones included. */
export function wishesOf(spec: DeviceSpec): Map<PointId, CatalogWish> {
  const wishes = new Map<PointId, CatalogWish>();
  for (const [id, point] of describedPoints(spec)) {
    const { unit, label, class: behaviour } = point;
    const write = 'write' in point ? point.write : undefined;
    wishes.set(id, {
      device: spec.id,
      point: id,
      kind: 'compute' in point ? point.as : kindOf(spec, id),
      ...(unit === undefined ? {} : { unit }),
      ...(label === undefined ? {} : { label }),
      ...(behaviour === undefined ? {} : { class: behaviour }),
      ...(write === undefined ? {} : { writable: write.range === undefined ? {} : { range: write.range } }),
    });
  }
  return wishes;
}

function kindOf(spec: DeviceSpec, id: PointId): CatalogEntry['kind'] {
  switch (spec.driver) {
    case 'modbus': {
      const point = spec.points[id];
      if (point === undefined) return 'float64';
      const table = point.table ?? spec.defaults.table;
      if (table === 'coil' || table === 'discrete') return 'bool';
      const isScaled = (point.scale ?? 1) !== 1 || (point.offset ?? 0) !== 0;
      return narrowed(point.as, isScaled);
    }
    case 'mqtt': {
      const point = spec.points[id];
      return point === undefined ? 'float64' : narrowed(point.as, (point.scale ?? 1) !== 1);
    }
    case 'opcua':
    case 'sparkplug':
    case 'package':
      return spec.points[id]?.as ?? 'float64';
    case 'host':
      return 'float64';
  }
}

/** Scaled values and everything a double holds exactly are doubles. */
function narrowed(as: string, isScaled: boolean): CatalogEntry['kind'] {
  if (as === 'bool' || as === 'text') return as;
  if (isScaled) return 'float64';
  if (as === 'bcd64') return 'uint64';
  return as === 'int64' || as === 'uint64' ? as : 'float64';
}
