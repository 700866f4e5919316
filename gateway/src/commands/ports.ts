import type { Driver } from '@millwright/device-drivers';
import type { CatalogEntry, DeviceSlug, PointId, PointNo, PointSpec, Sample } from '@millwright/protocol';

export interface CommandPoint {
  readonly no: PointNo;
  readonly kind: CatalogEntry['kind'];
  /** As configured; writable when it has a `write` block. */
  readonly spec: PointSpec;
}

/** The points table as commands need it. */
export interface CommandPoints {
  find(device: DeviceSlug, point: PointId): CommandPoint | undefined;
  /** The newest value, also one that report by exception kept back. */
  latest(no: PointNo): Sample | undefined;
}

export interface CommandDevice {
  /** For people. */
  readonly name: string;
  readonly online: boolean;
  readonly why?: string;
  /** Absent while its driver is being restarted. */
  readonly driver: Pick<Driver, 'write' | 'read'> | undefined;
}

export interface CommandDevices {
  find(device: DeviceSlug): CommandDevice | undefined;
}
