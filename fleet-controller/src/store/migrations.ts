import { type Kysely, sql } from 'kysely';
import type { Migration, MigrationProvider } from 'kysely/migration';

/** Released migrations are never edited; a change is a new one. */
const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-region': { up: createRegion },
  '0002-alarm-states': { up: addAlarmStates },
};

export const migrationProvider: MigrationProvider = {
  getMigrations: async () => MIGRATIONS,
};

async function createRegion(db: Kysely<unknown>): Promise<void> {
  for (const statement of [...INVENTORY, ...JOURNALS, ...rollupTables(), ...ACCESS]) {
    await sql.raw(statement).execute(db);
  }
}

/** Alarms that were known before are active; nobody has acknowledged them. */
async function addAlarmStates(db: Kysely<unknown>): Promise<void> {
  const statement = `alter table alarms
    add column state text not null default 'unacknowledged',
    add column priority text,
    add column note text`;
  await sql.raw(statement).execute(db);
}

const INVENTORY = [
  `create table gateways (
    key integer generated always as identity primary key,
    id text not null unique,
    public_key bytea not null unique,
    name text not null unique,
    site text not null,
    version text not null,
    hardware jsonb not null,
    enrolled_at_ms bigint not null,
    last_seen_ms bigint,
    connected boolean not null default false,
    held_until_ms bigint,
    frames bigint not null default 0,
    samples bigint not null default 0,
    gaps bigint not null default 0
  ) with (fillfactor = 50)`,
  `create table series (
    id integer generated always as identity primary key,
    gateway integer not null references gateways,
    no integer not null,
    device_id text not null,
    point text not null,
    kind text not null,
    unit text,
    label text,
    class text,
    writable jsonb,
    unique (gateway, no)
  )`,
  'create index series_by_point on series (device_id, point)',
  `create table devices (
    id text primary key,
    gateway integer not null references gateways,
    name text not null,
    type text,
    driver text not null,
    online boolean not null,
    why text,
    since_ms bigint not null,
    last_value_ms bigint,
    gone_at_ms bigint
  ) with (fillfactor = 70)`,
  'create index devices_by_gateway on devices (gateway)',
];

const JOURNALS = [
  `create table journals (
    gateway integer not null references gateways,
    epoch bigint not null,
    seq bigint not null,
    primary key (gateway, epoch)
  ) with (fillfactor = 50)`,
  `create table frames (
    gateway integer not null references gateways,
    epoch bigint not null,
    seq bigint not null,
    first_ms bigint not null,
    last_ms bigint not null,
    samples integer not null,
    bytes bytea not null,
    primary key (gateway, epoch, seq)
  )`,
  // Frames are compressed already; stored plainly, a part of one can be read alone.
  'alter table frames alter column bytes set storage external',
  'create index frames_by_time on frames (gateway, first_ms, last_ms)',
  // A frame is at most a minute long unless a device's clock was wrong: those few are looked for apart.
  'create index frames_long on frames (gateway, last_ms) where last_ms - first_ms > 600000',
  `create table gaps (
    gateway integer not null references gateways,
    epoch bigint not null,
    seq bigint not null,
    seq_end bigint not null,
    reason text not null,
    from_ms bigint not null,
    to_ms bigint not null,
    samples bigint,
    detail text,
    primary key (gateway, epoch, seq)
  )`,
  'create index gaps_by_time on gaps (to_ms)',
  `create table events (
    gateway integer not null references gateways,
    epoch bigint not null,
    seq bigint not null,
    id text not null,
    at_ms bigint not null,
    type text not null,
    device_id text,
    point text,
    message text not null,
    data jsonb,
    primary key (gateway, epoch, seq)
  )`,
  'create index events_by_time on events (at_ms, gateway, epoch, seq)',
  'create index events_by_device on events (device_id, at_ms) where device_id is not null',
  `create table alarms (
    gateway integer not null references gateways,
    device_id text not null,
    point text not null,
    alarm text not null,
    message text not null,
    since_ms bigint not null,
    primary key (gateway, device_id, point, alarm)
  )`,
];

/** Wide columns first: no padding between them. */
function rollupTables(): string[] {
  return ['rollup_1m', 'rollup_15m', 'rollup_1h', 'rollup_1d'].map(
    (name) => `create table ${name} (
      bucket_ms bigint not null,
      min double precision,
      max double precision,
      sum double precision,
      last double precision,
      last_ms bigint not null,
      last_gateway_ms bigint not null,
      series integer not null,
      count integer not null,
      bad integer not null,
      last_quality smallint not null,
      last_text text,
      primary key (series, bucket_ms)
    ) with (fillfactor = 85)`,
  );
}

const ACCESS = [
  `create table enrolment_tokens (
    id text primary key,
    digest text not null unique,
    site text,
    created_at_ms bigint not null,
    created_by text not null,
    expires_at_ms bigint not null,
    uses integer not null,
    uses_left integer not null
  )`,
  `create table enrolment_uses (
    token text not null references enrolment_tokens on delete cascade,
    gateway integer not null references gateways,
    used_at_ms bigint not null,
    primary key (token, gateway)
  )`,
  `create table commands (
    id text primary key,
    device_id text not null,
    point text not null,
    value jsonb not null,
    by_name text not null,
    by_role text not null,
    issued_at_ms bigint not null,
    result text,
    code text,
    message text,
    answered_at_ms bigint
  )`,
  `create table users (
    name text primary key,
    role text not null
  )`,
  `create table api_tokens (
    name text primary key,
    digest text not null unique,
    role text not null,
    created_at_ms bigint not null
  )`,
  `create table sign_in_codes (
    digest text primary key,
    user_name text not null references users on delete cascade,
    expires_at_ms bigint not null
  )`,
  `create table sessions (
    digest text primary key,
    user_name text not null references users on delete cascade,
    started_at_ms bigint not null,
    used_at_ms bigint not null
  )`,
];
