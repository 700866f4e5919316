import { z } from 'zod';
import { DeviceSlug, PointId } from '../ids.ts';

/** A point of this gateway as people write it: `meter-7/power`. */
export interface PointRef {
  readonly device: DeviceSlug;
  readonly point: PointId;
}

export const PointRefText = z
  .string()
  .max(200)
  .transform((text, context): PointRef => {
    const slash = text.indexOf('/');
    const device = DeviceSlug.safeParse(text.slice(0, Math.max(0, slash)));
    const point = PointId.safeParse(text.slice(slash + 1));
    if (slash > 0 && device.success && point.success) return { device: device.data, point: point.data };
    const message = `"${text}" is not a point; write "device/point", such as "meter-7/power"`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });

export function pointText({ device, point }: PointRef): string {
  return `${device}/${point}`;
}
