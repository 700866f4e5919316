import { type DeviceSpecOf, type PointId, PointNo } from '@millwright/protocol';
import type { DevicePlan, PlannedRequest } from '../driver.ts';
import { isBitTable } from './plan.ts';
import { ReadPlan } from './read-plan.ts';

/** What will be asked of a device, before anything is learned about it. */
export function planOf(spec: DeviceSpecOf<'modbus'>): DevicePlan {
  const ids = Object.keys(spec.points) as PointId[];
  const numbers = new Map(ids.map((id, index) => [id, PointNo.parse(index)]));
  const { groups } = new ReadPlan(spec, numbers);
  const requests = groups.flatMap(({ blocks, periodMs }): PlannedRequest[] =>
    blocks.map(({ table, address, width, points }) => {
      const last = address + width - 1;
      const used = new Set(points.flatMap((point) => covered(point.address, point.width))).size;
      const unused = width - used;
      const what = isBitTable(table) ? 'bits' : 'registers';
      return {
        request: `read ${table} ${address === last ? address : `${address}–${last}`}`,
        points: points.map(({ id }) => id),
        everyMs: periodMs,
        detail: `${width} ${width === 1 ? what.slice(0, -1) : what}${unused > 0 ? `, ${unused} of them unused` : ''}`,
      };
    }),
  );
  const perS = requests.reduce((sum, { everyMs = 1000 }) => sum + 1000 / everyMs, 0);
  return { requests, notes: [`${Number(perS.toPrecision(3))} requests a second`] };
}

function covered(address: number, width: number): number[] {
  return Array.from({ length: width }, (_, i) => address + i);
}
