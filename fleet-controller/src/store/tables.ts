import type { ColumnType, Generated } from 'kysely';

/** The region's tables as queries see them. Every `_ms` is epoch milliseconds; `gateway` is `gateways.key`. */
export interface Tables {
  gateways: GatewayTable;
  journals: JournalTable;
  frames: FrameTable;
  gaps: GapTable;
  events: EventTable;
  series: SeriesTable;
  devices: DeviceTable;
  alarms: AlarmTable;
  rollup_1m: RollupTable;
  rollup_15m: RollupTable;
  rollup_1h: RollupTable;
  rollup_1d: RollupTable;
  enrolment_tokens: EnrolmentTokenTable;
  enrolment_uses: EnrolmentUseTable;
  commands: CommandTable;
  users: UserTable;
  api_tokens: ApiTokenTable;
  sign_in_codes: SignInCodeTable;
  sessions: SessionTable;
}

/** Given as text, read as what it says. */
type Json<T> = ColumnType<T, string, string>;

interface GatewayTable {
  key: Generated<number>;
  id: string;
  public_key: Buffer;
  name: string;
  site: string;
  version: string;
  hardware: Json<Record<string, string>>;
  enrolled_at_ms: number;
  last_seen_ms: number | null;
  connected: Generated<boolean>;
  /** Newest source time of any frame. */
  held_until_ms: number | null;
  frames: Generated<number>;
  samples: Generated<number>;
  gaps: Generated<number>;
}

/** What is held of one life of a gateway's journal: everything up to and including `seq`. */
interface JournalTable {
  gateway: number;
  epoch: number;
  seq: number;
}

interface FrameTable {
  gateway: number;
  epoch: number;
  seq: number;
  first_ms: number;
  last_ms: number;
  samples: number;
  bytes: Buffer;
}

interface GapTable {
  gateway: number;
  epoch: number;
  seq: number;
  seq_end: number;
  reason: string;
  from_ms: number;
  to_ms: number;
  samples: number | null;
  detail: string | null;
}

interface EventTable {
  gateway: number;
  epoch: number;
  seq: number;
  id: string;
  at_ms: number;
  type: string;
  device_id: string | null;
  point: string | null;
  message: string;
  data: Json<Record<string, string | number | boolean | null>> | null;
}

/** A line of a gateway's catalogue; `id` is what roll-ups call it. */
interface SeriesTable {
  id: Generated<number>;
  gateway: number;
  no: number;
  device_id: string;
  point: string;
  kind: 'float64' | 'int64' | 'uint64' | 'bool' | 'text';
  unit: string | null;
  label: string | null;
  class: 'measurement' | 'total' | 'total_increasing' | 'state' | 'score' | null;
  writable: Json<{ range?: [number, number] }> | null;
}

interface DeviceTable {
  id: string;
  gateway: number;
  name: string;
  type: string | null;
  driver: string;
  online: boolean;
  why: string | null;
  since_ms: number;
  last_value_ms: number | null;
  /** No longer in its gateway's list; its history stays. */
  gone_at_ms: number | null;
}

interface AlarmTable {
  gateway: number;
  /** Empty when the alarm is about no device. */
  device_id: string;
  point: string;
  alarm: string;
  message: string;
  since_ms: number;
  /** Of ISA-18.2; an alarm that is normal is not kept. */
  state: string;
  /** Null: the gateway is older than priorities. */
  priority: string | null;
  /** Who acknowledged, shelved or took it out of service, and why. */
  note: string | null;
}

/** `min` to `sum` over usable numbers, null when there is none. */
export interface RollupTable {
  series: number;
  bucket_ms: number;
  min: number | null;
  max: number | null;
  sum: number | null;
  count: number;
  bad: number;
  last: number | null;
  /** A text, or an integer that a double cannot hold. */
  last_text: string | null;
  last_ms: number;
  last_gateway_ms: number;
  last_quality: number;
}

interface EnrolmentTokenTable {
  id: string;
  digest: string;
  /** Null: any site. */
  site: string | null;
  created_at_ms: number;
  created_by: string;
  expires_at_ms: number;
  uses: number;
  uses_left: number;
}

interface EnrolmentUseTable {
  token: string;
  gateway: number;
  used_at_ms: number;
}

interface CommandTable {
  id: string;
  device_id: string;
  point: string;
  value: Json<string | number | boolean | null>;
  by_name: string;
  by_role: string;
  issued_at_ms: number;
  result: string | null;
  code: string | null;
  message: string | null;
  answered_at_ms: number | null;
}

interface UserTable {
  name: string;
  role: 'viewer' | 'operator' | 'engineer';
}

interface ApiTokenTable {
  name: string;
  digest: string;
  role: 'viewer' | 'operator' | 'engineer';
  created_at_ms: number;
}

interface SignInCodeTable {
  digest: string;
  user_name: string;
  expires_at_ms: number;
}

interface SessionTable {
  digest: string;
  user_name: string;
  started_at_ms: number;
  used_at_ms: number;
}
