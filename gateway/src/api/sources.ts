import type {
  DeviceSlug,
  DeviceSpec,
  DeviceStatus,
  EventRecord,
  JournalPosition,
  PointId,
  PointNo,
  Sample,
} from '@millwright/protocol';
import type { ActiveAlarm } from '../alarms/alarm-record.ts';
import type { BrokerStats } from '../broker/broker-stats.ts';
import type { JournalStats } from '../journal/journal.ts';
import type { GatewayFacts, UplinkState } from '../uplink/ports.ts';

/** What the local API reads of the gateway; everything is asked for when a request comes, nothing is kept. */
export interface ApiSources {
  readonly facts: GatewayFacts;
  /** Absent: this gateway was given no region. */
  readonly uplink?: {
    readonly state: UplinkState;
    readonly counters: {
      readonly acked: JournalPosition | null;
      readonly lagEntries: number;
      readonly entriesSent: number;
      readonly entryBytesSent: number;
    };
  };
  readonly journal: { stats(): JournalStats };
  readonly devices: {
    statuses(): readonly DeviceStatus[];
    devices(): ReadonlyMap<
      DeviceSlug,
      { readonly spec: DeviceSpec; readonly numbers: ReadonlyMap<PointId, PointNo> }
    >;
  };
  readonly points: {
    sample(no: PointNo): Sample | undefined;
    readonly counts: { readonly received: number; readonly reported: number; readonly unknown: number };
  };
  readonly alarms: { active(): readonly ActiveAlarm[] };
  readonly events: { recent(): readonly EventRecord[] };
  readonly broker?: { stats(): BrokerStats; describeOpen(): string };
}
