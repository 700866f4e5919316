import type {
  DeviceSlug,
  DeviceSpec,
  DeviceStatus,
  EventRecord,
  JournalPosition,
  PointId,
  PointNo,
  Receipt,
  Sample,
  WriteCommand,
} from '@millwright/protocol';
import type { ActiveAlarm, AlarmName, AlarmView } from '../alarms/alarm-record.ts';
import type { AlarmRequest } from '../alarms/alarm-request.ts';
import type { RuleCounts, RuleView } from '../automations/rule-view.ts';
import type { BridgeStats } from '../broker/bridge/bridge.ts';
import type { BrokerStats } from '../broker/broker-stats.ts';
import type { PendingDevices } from '../devices/pending-devices.ts';
import type { JournalStats } from '../journal/journal.ts';
import type { OpcuaTrust } from '../opcua-server/opcua-trust.ts';
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
  readonly alarms: {
    active(): readonly ActiveAlarm[];
    /** All that are not normal. */
    list(): readonly AlarmView[];
    readonly isFlooded: boolean;
    request(name: AlarmName, request: AlarmRequest): Promise<AlarmView>;
  };
  readonly commands: { handle(command: WriteCommand): Promise<Receipt> };
  readonly events: { recent(): readonly EventRecord[] };
  /** Absent: this gateway cannot have rules. */
  readonly rules?: { views(): readonly RuleView[]; counts(): RuleCounts | undefined };
  /** Whom OPC UA trusts. */
  readonly opcuaTrust?: Pick<OpcuaTrust, 'list' | 'trust' | 'remove' | 'import'>;
  /** Devices that were found and wait to be adopted. */
  readonly pending?: Pick<PendingDevices, 'list' | 'adopt' | 'dismiss' | 'refused'>;
  /** Exchanges with other brokers. */
  readonly bridges?: { stats(): readonly (BridgeStats & { readonly name: string })[] };
  readonly broker?: { stats(): BrokerStats; describeOpen(): string };
}
