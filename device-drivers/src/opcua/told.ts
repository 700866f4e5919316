import { type DeviceSlug, PointId } from '@millwright/protocol';
import type { DriverDeps, DriverDevice } from '../driver.ts';
import type { ToldEvent } from './messages.ts';

/** Passes on what a server told, in the terms of the `Driver` port. */
export function tellEvent(
  event: ToldEvent,
  devices: readonly DriverDevice<'opcua'>[],
  deps: Pick<DriverDeps, 'onAlarm' | 'onEvent'>,
): void {
  const spec = devices[event.device]?.spec;
  if (spec === undefined) return;
  const { message, source, severity, atMs, condition } = event;
  const head = { device: spec.id, message, source, severity, atMs };
  if (condition === undefined) {
    deps.onEvent?.(head);
    return;
  }
  const { name: alarm, active, acked } = condition;
  const node = withoutDefault(event.sourceNode);
  const about = Object.entries(spec.points).find(([, point]) => withoutDefault(point.node) === node);
  const point = about === undefined ? {} : { point: PointId.parse(about[0]) };
  deps.onAlarm?.({ ...head, ...point, alarm, active, acked });
}

/** Tells for how long nothing was heard of a device, and what of it was made good. */
export function tellGap(
  device: DeviceSlug,
  { forMs, toMs, recovered }: { readonly forMs: number; readonly toMs: number; readonly recovered: number },
  { onEvent }: Pick<DriverDeps, 'onEvent'>,
): void {
  const fromMs = Math.round(toMs - forMs);
  const span = `${new Date(fromMs).toISOString()} to ${new Date(toMs).toISOString()}`;
  const found = recovered === 0 ? '' : `; ${recovered} were read from the server's history`;
  const message = `${device} was not heard from ${span}: values of that time are missing${found}`;
  onEvent?.({ device, message, atMs: toMs, gap: { fromMs, toMs, recovered } });
}

function withoutDefault(nodeId: string): string {
  return nodeId.replace(/^ns=0;/, '');
}
