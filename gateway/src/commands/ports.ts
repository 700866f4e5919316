import type { Driver } from '@millwright/device-drivers';
import type {
  CatalogEntry,
  DeviceSlug,
  PointId,
  PointNo,
  PointSpec,
  Sample,
  WriteRule,
} from '@millwright/protocol';
import type { z } from 'zod';

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
  readonly driver: Pick<Driver, 'write' | 'read' | 'describeWrite'> | undefined;
}

export interface CommandDevices {
  find(device: DeviceSlug): CommandDevice | undefined;
}

export interface CommandInterlocks {
  /** @returns why the interlock says no, in words; undefined when it says yes or there is none */
  refusal(no: PointNo, rule: z.infer<typeof WriteRule>): string | undefined;
}
