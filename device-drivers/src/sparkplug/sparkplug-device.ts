import {
  type DeviceSlug,
  InvalidInputError,
  type PointId,
  type PointNo,
  type SparkplugPoint,
} from '@millwright/protocol';
import type { DriverDevice } from '../driver.ts';
import type { Target } from './edge-node-view.ts';

export interface SparkplugPointPlan {
  readonly id: PointId;
  readonly no: PointNo;
  readonly spec: SparkplugPoint;
}

/** A device of the site that is an edge node or a device behind one, and what was last told of it. */
export class SparkplugDevice {
  readonly slug: DeviceSlug;
  readonly target: Target;
  readonly points: readonly SparkplugPointPlan[];
  /** Several points may show one metric. */
  readonly byMetric = new Map<string, SparkplugPointPlan[]>();
  told: 'up' | 'down' | undefined;
  /** Something may be shown as good that is not marked bad yet. */
  isFresh = true;

  constructor({ spec, numbers }: DriverDevice<'sparkplug'>) {
    const { group, node, device } = spec.connect;
    this.slug = spec.id;
    this.target = { group, node, device };
    this.points = [...numbers].map(([id, no]) => {
      const point = spec.points[id];
      if (point === undefined) {
        throw new InvalidInputError('UNKNOWN_POINT', `device "${spec.id}" has no point "${id}"`);
      }
      return { id, no, spec: point };
    });
    for (const plan of this.points) {
      const { metric } = plan.spec;
      const same = this.byMetric.get(metric);
      if (same === undefined) this.byMetric.set(metric, [plan]);
      else same.push(plan);
    }
  }
}

export function keyOf({ group, node, device }: Target): string {
  return `${group}/${node}/${device ?? ''}`;
}
