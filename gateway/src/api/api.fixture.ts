import {
  DeviceSlug,
  type DeviceSpec,
  type DeviceStatus,
  type EventRecord,
  GatewayId,
  InlineDevice,
  InvalidInputError,
  PointId,
  PointNo,
  type Receipt,
  type Sample,
  SiteId,
  type WriteCommand,
} from '@millwright/protocol';
import type { ActiveAlarm, AlarmName, AlarmView } from '../alarms/alarm-record.ts';
import type { JournalStats } from '../journal/journal.ts';
import type { UplinkState } from '../uplink/ports.ts';
import type { ApiSources } from './sources.ts';

const NOW_MS = Date.UTC(2026, 0, 1);

/** A gateway at rest, in memory; a test changes what it is about. */
export class SourcesFixture implements ApiSources {
  readonly facts = {
    gateway: GatewayId.parse('gw_abcdefghij234567'),
    name: 'north-gw1',
    site: SiteId.parse('water-works'),
    version: '0.1.0',
    startedAtMs: NOW_MS,
  };
  uplinkState: UplinkState = { state: 'connected', region: 'north', sinceMs: NOW_MS };
  journalStats: JournalStats = {
    bytes: 130_000_000,
    maxBytes: 1_073_741_824,
    entries: 812,
    firstSeq: 1,
    lastSeq: 812,
    pendingSamples: 120,
    droppedSamples: 0,
    fault: undefined,
  };
  deviceStatuses: DeviceStatus[] = [];
  activeAlarms: ActiveAlarm[] = [];
  recentEvents: EventRecord[] = [];
  readonly samples = new Map<number, Sample>();
  readonly #devices = new Map<DeviceSlug, { spec: DeviceSpec; numbers: Map<PointId, PointNo> }>();

  readonly #counters = { acked: null, lagEntries: 3, entriesSent: 900, entryBytesSent: 5_000_000 };
  readonly journal = { stats: () => this.journalStats };
  readonly devices = { statuses: () => this.deviceStatuses, devices: () => this.#devices };
  readonly points = {
    sample: (no: PointNo) => this.samples.get(no),
    counts: { received: 1000, reported: 400, unknown: 0 },
  };
  readonly alarms = {
    active: () => this.activeAlarms,
    list: () =>
      this.activeAlarms.map((alarm) => ({
        ...alarm,
        ...{ state: 'unacknowledged' as const, isActive: true, isFirst: false, isChattering: false },
      })),
    isFlooded: false,
    request: async (name: AlarmName): Promise<AlarmView> => {
      throw new InvalidInputError('ALARM_UNKNOWN', `there is no alarm "${name.alarm}"`);
    },
  };
  readonly commands = {
    handle: async ({ id }: WriteCommand): Promise<Receipt> => ({
      ...{ id, result: 'refused', code: 'DEVICE_UNKNOWN', message: 'nothing to write to', atMs: NOW_MS },
    }),
  };
  readonly events = { recent: () => this.recentEvents };
  readonly broker = {
    describeOpen: () => 'MQTT on 127.0.0.1:1883 takes a credential (2 known), each within its own topics.',
    stats: () => ({
      connections: 3,
      clients: 2,
      clientsMax: 3,
      messagesIn: 77,
      bytesIn: 4000,
      messagesOut: 12,
      bytesOut: 900,
      retained: 5,
      sessions: 1,
      dropped: 0,
      offences: new Map([['PUBLISH_DENIED', 4]]),
    }),
  };

  get uplink() {
    return { state: this.uplinkState, counters: this.#counters };
  }

  /** An MQTT device with points `name → [value, unit]`, in the order given. */
  addDevice(
    id: string,
    name: string,
    points: Record<string, readonly [Sample['v'], string?]>,
    online = true,
  ): void {
    const spec = InlineDevice.parse({
      id,
      name,
      driver: 'mqtt',
      connect: { broker: 'local' },
      points: Object.fromEntries(
        Object.entries(points).map(([point, [, unit]]) => [
          point,
          { topic: `${id}/${point}`, as: 'float64', ...(unit === undefined ? {} : { unit }) },
        ]),
      ),
    });
    const numbers = new Map<PointId, PointNo>();
    for (const [point, [v]] of Object.entries(points)) {
      const no = PointNo.parse(this.samples.size);
      numbers.set(PointId.parse(point), no);
      this.samples.set(no, { v, q: 'good', tSource: NOW_MS, tGateway: NOW_MS });
    }
    this.#devices.set(spec.id, { spec, numbers });
    this.deviceStatuses.push({
      device: DeviceSlug.parse(id),
      name,
      driver: 'mqtt',
      online,
      ...(online ? {} : { why: 'no message for 10 min' }),
      sinceMs: NOW_MS,
    });
  }
}
