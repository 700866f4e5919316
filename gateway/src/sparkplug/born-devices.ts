import type { Metric, ReceivedMetric } from '@millwright/device-drivers/sparkplug';
import {
  type CatalogEntry,
  type DeviceSlug,
  type DeviceStatus,
  type PointNo,
  type Sample,
  SampleBatch,
} from '@millwright/protocol';
import type { NumberedDevice } from '../devices/line-factory.ts';
import type { LiveSource } from '../uplink/ports.ts';
import { birthMetric, changedMetric, type MetricSlot, slotsOf } from './device-metrics.ts';
import type { DeviceCounts } from './node-metrics.ts';

const BATCH_ROWS = 1024;
const UNREAD: Sample = { v: null, q: 'bad', why: 'not-yet-read', tSource: 0, tGateway: 0 };

export interface Outgoing {
  readonly type: 'DBIRTH' | 'DDEATH' | 'DDATA';
  readonly device: string;
  readonly metrics: readonly Metric[];
}

export interface BornDevicesDeps {
  readonly devices: {
    devices(): ReadonlyMap<DeviceSlug, NumberedDevice>;
    statuses(): readonly DeviceStatus[];
  };
  readonly points: { sample(no: PointNo): Sample | undefined };
  readonly catalog: { entry(no: PointNo): CatalogEntry | undefined };
  /** Which points have news; nobody else drains it. */
  readonly news: Pick<LiveSource, 'drainInto'>;
}

interface Born {
  numbered: NumberedDevice;
  readonly slots: readonly MetricSlot[];
  readonly byAlias: ReadonlyMap<bigint, MetricSlot>;
}

/** Which devices hosts know to be alive, and what of them is to be told next. */
export class BornDevices {
  readonly #deps: BornDevicesDeps;
  readonly #born = new Map<DeviceSlug, Born>();
  readonly #slotOf = new Map<PointNo, MetricSlot>();
  readonly #batch = new SampleBatch(BATCH_ROWS);

  constructor(deps: BornDevicesDeps) {
    this.#deps = deps;
  }

  /** Nobody knows any device any more. */
  forget(): void {
    this.#born.clear();
    this.#slotOf.clear();
  }

  counts(): DeviceCounts {
    const statuses = this.#deps.devices.statuses();
    return { total: statuses.length, online: statuses.filter(({ online }) => online).length };
  }

  /** Deaths of devices that went away, births of those that came or were described anew. */
  reconcile(): Outgoing[] {
    const { devices } = this.#deps;
    const current = devices.devices();
    const online = new Set(devices.statuses().flatMap(({ device, online }) => (online ? [device] : [])));
    const messages: Outgoing[] = [];
    for (const [id, born] of this.#born) {
      const now = current.get(id);
      if (now !== undefined && online.has(id) && isSame(now, born.numbered)) {
        born.numbered = now;
        continue;
      }
      this.#drop(id);
      if (now === undefined || !online.has(id)) messages.push({ type: 'DDEATH', device: id, metrics: [] });
    }
    for (const [id, numbered] of current) {
      if (online.has(id) && !this.#born.has(id)) messages.push(this.#birth(id, numbered));
    }
    return messages;
  }

  /** Nothing more is said of a device of which nobody has a birth certificate. */
  silence(device: string): void {
    for (const { no } of this.#born.get(device as DeviceSlug)?.slots ?? []) this.#slotOf.delete(no);
  }

  /** What has changed since it was last told: of each metric the newest value, in the order of time. */
  changes(): Outgoing[] {
    const changed = new Map<DeviceSlug, Metric[]>();
    while (this.#deps.news.drainInto(this.#batch)) {
      for (let row = 0; row < this.#batch.length; row++) {
        const slot = this.#slotOf.get(this.#batch.point[row] as PointNo);
        const metric = slot && changedMetric(slot, this.#batch.sampleAt(row));
        if (slot === undefined || metric === undefined) continue;
        const metrics = changed.get(slot.device);
        if (metrics === undefined) changed.set(slot.device, [metric]);
        else metrics.push(metric);
      }
      this.#batch.clear();
    }
    return [...changed].map(([device, metrics]) => ({
      type: 'DDATA',
      device,
      metrics: inOrderOfTime(metrics),
    }));
  }

  /** The metric that a command to a device means. */
  find(device: string, { alias, name }: ReceivedMetric): MetricSlot | undefined {
    const born = this.#born.get(device as DeviceSlug);
    if (name !== undefined) return born?.slots.find(({ point }) => point === name);
    return alias === undefined ? undefined : born?.byAlias.get(alias);
  }

  #birth(id: DeviceSlug, numbered: NumberedDevice): Outgoing {
    const slots = slotsOf(numbered, this.#deps.catalog);
    const byAlias = new Map(slots.map((slot) => [BigInt(slot.alias), slot]));
    this.#born.set(id, { numbered, slots, byAlias });
    for (const slot of slots) this.#slotOf.set(slot.no, slot);
    const metrics = slots.map((slot) => birthMetric(slot, this.#deps.points.sample(slot.no) ?? UNREAD));
    return { type: 'DBIRTH', device: id, metrics: inOrderOfTime(metrics) };
  }

  #drop(id: DeviceSlug): void {
    this.silence(id);
    this.#born.delete(id);
  }
}

function inOrderOfTime(metrics: Metric[]): Metric[] {
  return metrics.sort((a, b) => (a.timestampMs ?? 0) - (b.timestampMs ?? 0));
}

/** A device file that is read again gives new objects; what they say may be the same. */
function isSame(a: NumberedDevice, b: NumberedDevice): boolean {
  return (
    a === b ||
    JSON.stringify([a.spec.points, [...a.numbers]]) === JSON.stringify([b.spec.points, [...b.numbers]])
  );
}
