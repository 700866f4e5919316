import type { DeviceSpec } from '@millwright/protocol';
import { homeAssistantUnit } from './home-assistant-units.ts';
import { type PointFacts, pointFacts } from './point-facts.ts';
import { fillTopic, type TopicNames } from './topic-template.ts';

/** A component of a discovery message, in Home Assistant's abbreviations. */
export type HomeAssistantComponent = Readonly<Record<string, unknown>> & {
  readonly p: string;
  readonly uniq_id: string;
};

export interface HomeAssistantConfig {
  readonly topic: string;
  readonly payload: {
    readonly dev: Readonly<Record<string, unknown>>;
    readonly o: { readonly name: string; readonly sw?: string };
    readonly cmps: Readonly<Record<string, HomeAssistantComponent>>;
  };
}

export interface HomeAssistantOptions {
  /** @default `homeassistant` */
  readonly prefix?: string;
  readonly site: string;
  readonly gateway: string;
  readonly version?: string;
  /** Templates of the topics the entities read. */
  readonly topics: { readonly point: string; readonly availability: string; readonly presence: string };
  /** Whether writable points get a topic for commands; else they are shown only. */
  readonly commands: boolean;
}

/** A message of several hundred points would be larger than brokers take: it is parted. */
const MAX_COMPONENTS_BYTES = 40_000;
/** What Home Assistant takes as a number's smallest step. */
const SMALLEST_STEP = 0.001;
const UNBOUNDED = 1e9;

/**
 * The retained messages that make a device appear in Home Assistant, one unless it has very many points: device
 * discovery, with one entity per point.
 *
 * An entity whose point is of bad quality is unavailable: Home Assistant never shows a value that is not one.
 * @see https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
 */
export function homeAssistantConfigs(spec: DeviceSpec, options: HomeAssistantOptions): HomeAssistantConfig[] {
  const { prefix = 'homeassistant', site, gateway, version } = options;
  const id = `millwright_${site}_${spec.id}`;
  const dev = {
    ids: [id],
    name: spec.name ?? spec.id,
    mf: 'Millwright',
    ...(spec.type === undefined ? {} : { mdl: spec.type }),
  };
  const o = { name: originOf(gateway), ...(version === undefined ? {} : { sw: version }) };
  return parted(componentsOf(spec, options, id)).map((cmps, at) => ({
    topic: `${prefix}/device/${at === 0 ? id : `${id}_${at + 1}`}/config`,
    payload: { dev, o, cmps },
  }));
}

/** The name under which a gateway announces devices, and by which it knows its own announcements again. */
export function originOf(gateway: string): string {
  return `Millwright ${gateway}`;
}

/** Where commands for a point are expected. */
export function commandTopicOf(pointTopic: string): string {
  return `${pointTopic}/set`;
}

function componentsOf(
  spec: DeviceSpec,
  options: HomeAssistantOptions,
  deviceId: string,
): [string, HomeAssistantComponent][] {
  const { site, gateway, topics, commands } = options;
  const taken = new Set<string>();
  return pointFacts(spec).map((point) => {
    const names: TopicNames = { site, gateway, device: spec.id, point: point.id };
    const state = fillTopic(topics.point, names);
    const key = freeKey(point.id.replace(/[^A-Za-z0-9_-]/g, '_'), taken);
    const component = {
      ...platformOf(point, commands ? commandTopicOf(state) : undefined),
      name: point.name,
      uniq_id: `${deviceId}_${point.id}`,
      stat_t: state,
      avty: [
        { t: fillTopic(topics.presence, { site, gateway }) },
        { t: fillTopic(topics.availability, { site, gateway, device: spec.id }) },
        { t: state, val_tpl: "{{ value_json.q != 'bad' }}", pl_avail: 'True', pl_not_avail: 'False' },
      ],
      avty_mode: 'all',
    };
    return [key, component];
  });
}

type Platform = Readonly<Record<string, unknown>> & { readonly p: string };
const VALUE = { val_tpl: '{{ value_json.v }}' } as const;

function platformOf(point: PointFacts, commandTopic: string | undefined): Platform {
  const { spec, kind, labels, write } = point;
  const isWritable = write !== undefined && commandTopic !== undefined;
  const command = isWritable ? { cmd_t: commandTopic } : {};
  if (kind === 'bool') {
    // A template gives Python's words for true and false.
    return isWritable
      ? {
          p: 'switch',
          ...VALUE,
          ...command,
          pl_on: 'true',
          pl_off: 'false',
          stat_on: 'True',
          stat_off: 'False',
        }
      : { p: 'binary_sensor', ...VALUE, pl_on: 'True', pl_off: 'False' };
  }
  if (labels.size > 0) {
    const choice = { val_tpl: '{{ value_json.label }}', ops: [...new Set(labels.values())] };
    return isWritable ? { p: 'select', ...choice, ...command } : { p: 'sensor', dev_cla: 'enum', ...choice };
  }
  if (kind === 'text')
    return isWritable ? { p: 'text', ...VALUE, ...command, max: 255 } : { p: 'sensor', ...VALUE };
  const isCounter = spec.class === 'total' || spec.class === 'total_increasing';
  const { unit, deviceClass } = homeAssistantUnit(spec.unit, {
    name: `${point.id} ${point.name}`,
    isCounter,
  });
  const measure = {
    ...VALUE,
    ...(unit === undefined ? {} : { unit_of_meas: unit }),
    ...(deviceClass === undefined ? {} : { dev_cla: deviceClass }),
  };
  if (isWritable) {
    const [min, max] = write.range ?? [-UNBOUNDED, UNBOUNDED];
    return { p: 'number', ...measure, ...command, min, max, step: numberStep(point, max - min), mode: 'box' };
  }
  if (spec.class === 'state') return { p: 'sensor', ...measure };
  return { p: 'sensor', ...measure, stat_cla: isCounter ? spec.class : 'measurement' };
}

/** A thousandth of the range, rounded to a power of ten, unless the encoding is coarser. */
function numberStep({ step }: PointFacts, span: number): number {
  const fine = 10 ** Math.floor(Math.log10(Math.max(span, SMALLEST_STEP) / 1000));
  const wanted = step ?? Math.min(fine, 1);
  return Number(Math.max(wanted, SMALLEST_STEP).toPrecision(6));
}

function freeKey(wish: string, taken: Set<string>): string {
  let key = wish;
  for (let turn = 2; taken.has(key); turn++) key = `${wish}_${turn}`;
  taken.add(key);
  return key;
}

function parted(components: [string, HomeAssistantComponent][]): Record<string, HomeAssistantComponent>[] {
  const parts: Record<string, HomeAssistantComponent>[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const [key, component] of components) {
    const size = Buffer.byteLength(JSON.stringify(component)) + key.length + 4;
    if (bytes + size > MAX_COMPONENTS_BYTES) {
      parts.push({});
      bytes = 0;
    }
    bytes += size;
    const part = parts.at(-1);
    if (part !== undefined) part[key] = component;
  }
  return parts;
}
