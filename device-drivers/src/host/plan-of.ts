import type { DeviceSpecOf, PointId } from '@millwright/protocol';
import type { DevicePlan } from '../driver.ts';

/** One look at the machine serves all its points. */
export function planOf({ connect, points }: DeviceSpecOf<'host'>): DevicePlan {
  const ids = Object.keys(points) as PointId[];
  const metrics = new Set(Object.values(points).map(({ metric }) => metric.split('.')[0]));
  const detail = [...metrics].join(', ');
  return { requests: [{ request: 'look at the machine', points: ids, everyMs: connect.every, detail }] };
}
