import { z } from 'zod';

/** A larger announcement is not looked at. */
export const MAX_ANNOUNCEMENT_BYTES = 64 * 1024;
const MAX_ENTITIES = 200;

/** Only what is read here. @see https://www.home-assistant.io/integrations/mqtt/#supported-abbreviations-in-mqtt-discovery-messages */
const ABBREVIATIONS: Readonly<Record<string, string>> = {
  avty: 'availability',
  avty_t: 'availability_topic',
  avty_tpl: 'availability_template',
  cmd_t: 'command_topic',
  cmd_tpl: 'command_template',
  cmps: 'components',
  dev: 'device',
  dev_cla: 'device_class',
  o: 'origin',
  obj_id: 'object_id',
  ops: 'options',
  p: 'platform',
  pl_avail: 'payload_available',
  pl_not_avail: 'payload_not_available',
  pl_off: 'payload_off',
  pl_on: 'payload_on',
  ret: 'retain',
  stat_cla: 'state_class',
  stat_off: 'state_off',
  stat_on: 'state_on',
  stat_t: 'state_topic',
  t: 'topic',
  uniq_id: 'unique_id',
  unit_of_meas: 'unit_of_measurement',
  val_tpl: 'value_template',
};
const DEVICE_ABBREVIATIONS: Readonly<Record<string, string>> = {
  cns: 'connections',
  ids: 'identifiers',
  mdl: 'model',
  mf: 'manufacturer',
};

const Text = z.string().max(1000);
/** Devices say on and off as text, number or bool; a template makes text of all of them. */
const Word = z.union([Text, z.number(), z.boolean()]).transform((word) => String(word));
const Name = z.union([Text, z.null()]).optional();

const Availability = z.object({
  topic: Text,
  payload_available: Word.default('online'),
  payload_not_available: Word.default('offline'),
  value_template: Text.optional(),
});
export type Availability = z.infer<typeof Availability>;

const EntityConfig = z.object({
  platform: z.string().max(50).optional(),
  name: Name,
  unique_id: Text.optional(),
  object_id: Text.optional(),
  state_topic: Text.optional(),
  value_template: Text.optional(),
  unit_of_measurement: Name,
  device_class: Name,
  state_class: Name,
  payload_on: Word.optional(),
  payload_off: Word.optional(),
  state_on: Word.optional(),
  state_off: Word.optional(),
  command_topic: Text.optional(),
  command_template: Text.optional(),
  options: z.array(Text).max(200).optional(),
  min: z.number().optional(),
  max: z.number().optional(),
  retain: z.boolean().optional(),
  availability: z.union([z.array(Availability).max(8), Availability.transform((one) => [one])]).optional(),
  availability_topic: Text.optional(),
  availability_template: Text.optional(),
  payload_available: Word.optional(),
  payload_not_available: Word.optional(),
});
export type EntityConfig = z.infer<typeof EntityConfig>;

const DeviceInfo = z.object({
  identifiers: z.union([Text, z.array(z.union([Text, z.number()]).transform(String)).max(20)]).optional(),
  connections: z
    .array(z.tuple([Text, Text]))
    .max(20)
    .optional(),
  name: Name,
  manufacturer: Name,
  model: Name,
});

export interface Entity {
  /** What it is called in its topic or among the components. */
  readonly id: string;
  readonly platform: string;
  readonly config: EntityConfig;
}

export interface Announcement {
  /** The device it belongs to; entities without a device stand for themselves. */
  readonly deviceId: string;
  readonly name: string;
  readonly maker?: string;
  readonly model?: string;
  /** The program that announces. */
  readonly origin: string;
  readonly entities: readonly Entity[];
  /** Entities that could not be read, one sentence each. */
  readonly unreadable: readonly string[];
}

/** The parts of `<prefix>/<component>/[<node>/]<object>/config`; undefined for any other topic. */
export function discoveryTopic(
  prefix: string,
  topic: string,
): { readonly component: string; readonly object: string } | undefined {
  if (!topic.startsWith(`${prefix}/`) || topic.length > 500) return undefined;
  const [component, ...rest] = topic.slice(prefix.length + 1).split('/');
  const object = rest.at(-2);
  const isOne = rest.at(-1) === 'config' && (rest.length === 2 || rest.length === 3);
  return isOne && component && object ? { component, object } : undefined;
}

/** @returns undefined for what is no announcement */
export function readAnnouncement(
  topic: { readonly component: string; readonly object: string },
  payload: Uint8Array,
): Announcement | undefined {
  if (payload.length > MAX_ANNOUNCEMENT_BYTES) return undefined;
  const root = spelledOut(parsed(payload), ABBREVIATIONS);
  if (root === undefined) return undefined;
  const device = DeviceInfo.safeParse(spelledOut(root.device, DEVICE_ABBREVIATIONS) ?? {});
  if (!device.success) return undefined;
  const entities: Entity[] = [];
  const unreadable: string[] = [];
  for (const [id, own] of entitiesIn(topic, root).slice(0, MAX_ENTITIES)) {
    const config = EntityConfig.safeParse(withBaseTopic(own));
    const platform = config.success ? (config.data.platform ?? topic.component) : '';
    if (config.success) entities.push({ id, platform, config: config.data });
    else unreadable.push(`"${id}" cannot be read: ${config.error.issues[0]?.path.join('.')}`);
  }
  if (entities.length === 0) return undefined;
  const { identifiers, connections, name, manufacturer, model } = device.data;
  const [identifier] = typeof identifiers === 'string' ? [identifiers] : (identifiers ?? []);
  const deviceId = identifier ?? connections?.[0]?.[1] ?? entities[0]?.config.unique_id ?? topic.object;
  const origin = spelledOut(root.origin, {})?.name;
  return {
    deviceId: deviceId.slice(0, 200),
    name: name ?? entities[0]?.config.name ?? deviceId,
    ...(manufacturer ? { maker: manufacturer } : {}),
    ...(model ? { model } : {}),
    origin: typeof origin === 'string' ? origin : '',
    entities,
    unreadable,
  };
}

type Json = Readonly<Record<string, unknown>>;

/** Each with what the components of one device share. */
function entitiesIn(
  topic: { readonly component: string; readonly object: string },
  root: Json,
): [string, Json][] {
  if (topic.component !== 'device') return [[topic.object, root]];
  const { components, device: _device, origin: _origin, ...shared } = root;
  return Object.entries(spelledOut(components, {}) ?? {}).flatMap(([id, own]) => {
    const config = spelledOut(own, ABBREVIATIONS);
    return config === undefined
      ? []
      : [[id.slice(0, 200), { ...shared, ...config }] satisfies [string, Json]];
  });
}

function parsed(payload: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(payload).toString());
  } catch {
    // Anybody may publish anything there.
    return undefined;
  }
}

function spelledOut(value: unknown, names: Readonly<Record<string, string>>): Json | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [Object.hasOwn(names, key) ? names[key] : key, each]),
  );
}

/** A `~` at the beginning or end of a topic stands for the base topic. */
function withBaseTopic(config: Json): Json {
  const base = config['~'];
  const replaced = (key: string, value: unknown): unknown => {
    if (typeof base !== 'string' || typeof value !== 'string' || !/(^|_)topic$/.test(key)) return value;
    if (value.startsWith('~')) return base + value.slice(1);
    return value.endsWith('~') ? value.slice(0, -1) + base : value;
  };
  const within = (value: unknown): unknown => {
    const map = spelledOut(value, ABBREVIATIONS);
    return map === undefined ? value : mapped(map, replaced);
  };
  const { availability } = config;
  return {
    ...mapped(config, replaced),
    ...(availability === undefined
      ? {}
      : { availability: Array.isArray(availability) ? availability.map(within) : within(availability) }),
  };
}

function mapped(map: Json, change: (key: string, value: unknown) => unknown): Json {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(key, value)]));
}
