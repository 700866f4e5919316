import { type ModbusPoint, registersOf } from './drivers/modbus.ts';
import { elementName, type ModbusSection } from './modbus-rules.ts';

/** Scan group of a type that names none. */
const DEFAULT_SCAN = 'default';
const DEFAULT_PERIOD_MS = 1000;

/** Writes the defaults into every point, makes arrays single points, and turns addresses into those on the wire. */
export function withProtocolAddresses<T extends ModbusSection>(device: T): T {
  const { defaults, merge } = device;
  const names = Object.keys(device.scans);
  const scan = defaults.scan ?? names[0] ?? DEFAULT_SCAN;
  const scans =
    names.length > 0 ? device.scans : { [DEFAULT_SCAN]: { every: DEFAULT_PERIOD_MS, phase: 0, jitter: 0 } };
  const points = Object.fromEntries(
    Object.entries(device.points)
      .flatMap(([id, point]) => elementsOf(id, point))
      .map(([id, point]) => [
        id,
        {
          ...point,
          at: point.at - defaults.base,
          table: point.table ?? defaults.table,
          order: point.order ?? defaults.order,
          scan: point.scan ?? scan,
        },
      ]),
  );
  const avoid = merge.avoid.map(([from, to]) => [from - defaults.base, to - defaults.base]);
  return {
    ...device,
    scans,
    defaults: { ...defaults, scan, base: 0 },
    merge: { ...merge, avoid },
    points,
  };
}

function elementsOf(id: string, point: ModbusPoint): [string, ModbusPoint][] {
  const { count, step = registersOf(point), ...element } = point;
  if (count === undefined) return [[id, point]];
  return Array.from({ length: count }, (_, index) => [
    elementName(id, index),
    {
      ...element,
      at: point.at + index * step,
      ...(point.label === undefined ? {} : { label: `${point.label} ${index}` }),
    },
  ]);
}
