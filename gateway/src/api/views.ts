import {
  type Clock,
  type DeviceSlug,
  type DeviceStatus,
  describedPoint,
  type JsonValue,
  type PointId,
  type Presentation,
  presentationOf,
  type Sample,
  toJsonValue,
} from '@millwright/protocol';
import type { ApiSources } from './sources.ts';

/** A point as the API says it; times in epoch ms, null while nothing was read. */
export interface PointView {
  readonly id: PointId;
  readonly label?: string;
  readonly unit?: string;
  readonly class?: string;
  /** Labels of values, by the value as text. */
  readonly enum?: Presentation['enum'];
  /** The unit people see it in: `v × factor + offset`. */
  readonly display?: Presentation['display'];
  /** The expression it is worked out by. */
  readonly compute?: string;
  readonly writable: boolean;
  readonly v: JsonValue;
  readonly q: Sample['q'];
  readonly why?: string;
  readonly tSource: number | null;
  readonly tGateway: number | null;
}

export interface DeviceView {
  readonly id: DeviceSlug;
  readonly name: string;
  readonly type?: string;
  readonly driver: string;
  readonly online: boolean;
  readonly why?: string;
  readonly sinceMs: number;
}

export type UplinkView =
  | {
      readonly state: 'connected';
      readonly region: string;
      readonly sinceMs: number;
      readonly lagEntries: number;
    }
  | { readonly state: 'connecting' | 'stopped'; readonly why?: string; readonly lagEntries: number }
  | { readonly state: 'none' };

export interface StatusView {
  readonly gateway: string;
  readonly name: string;
  readonly site: string;
  readonly version: string;
  readonly startedAtMs: number;
  readonly uptimeMs: number;
  readonly nowMs: number;
  readonly uplink: UplinkView;
  readonly journal: ReturnType<ApiSources['journal']['stats']>;
  readonly devices: { readonly total: number; readonly online: number };
  readonly alarms: number;
  readonly broker?: string;
}

export function statusView(
  sources: ApiSources,
  clock: Pick<Clock, 'wallMs' | 'monotonicMs'>,
  startMs: number,
): StatusView {
  const { facts, devices, alarms, broker } = sources;
  const statuses = devices.statuses();
  return {
    gateway: facts.gateway,
    name: facts.name,
    site: facts.site,
    version: facts.version,
    startedAtMs: facts.startedAtMs,
    uptimeMs: Math.round(clock.monotonicMs() - startMs),
    nowMs: clock.wallMs(),
    uplink: uplinkView(sources),
    journal: sources.journal.stats(),
    devices: { total: statuses.length, online: statuses.filter(({ online }) => online).length },
    alarms: alarms.active().length,
    ...(broker === undefined ? {} : { broker: broker.describeOpen() }),
  };
}

export function deviceViews(sources: ApiSources): DeviceView[] {
  return sources.devices
    .statuses()
    .map(deviceView)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** @returns undefined when there is no such device */
export function deviceWithPoints(
  sources: ApiSources,
  id: string,
): (DeviceView & { readonly points: readonly PointView[] }) | undefined {
  const status = sources.devices.statuses().find(({ device }) => device === id);
  return status === undefined
    ? undefined
    : { ...deviceView(status), points: pointViews(sources, status.device) };
}

export function pointViews(sources: ApiSources, device: DeviceSlug): PointView[] {
  const active = sources.devices.devices().get(device);
  if (active === undefined) return [];
  return [...active.numbers].map(([id, no]) => {
    const spec = describedPoint(active.spec, id);
    const sample = sources.points.sample(no);
    const { label, unit, class: behaviour } = spec ?? {};
    return {
      id,
      ...(label === undefined ? {} : { label }),
      ...(unit === undefined ? {} : { unit }),
      ...(behaviour === undefined ? {} : { class: behaviour }),
      ...presentationOf(spec),
      ...(spec !== undefined && 'compute' in spec ? { compute: spec.compute } : {}),
      writable: spec !== undefined && 'write' in spec && spec.write !== undefined,
      v: toJsonValue(sample?.v ?? null),
      q: sample?.q ?? 'bad',
      ...(sample?.why === undefined
        ? sample === undefined
          ? { why: 'not-yet-read' }
          : {}
        : { why: sample.why }),
      tSource: sample?.tSource ?? null,
      tGateway: sample?.tGateway ?? null,
    };
  });
}

function deviceView({ device, name, type, driver, online, why, sinceMs }: DeviceStatus): DeviceView {
  return {
    id: device,
    name,
    ...(type === undefined ? {} : { type }),
    driver,
    online,
    ...(why === undefined ? {} : { why }),
    sinceMs,
  };
}

function uplinkView({ uplink }: ApiSources): UplinkView {
  return uplink === undefined
    ? { state: 'none' }
    : { ...uplink.state, lagEntries: uplink.counters.lagEntries };
}
