import { ucumOfHomeAssistant } from '@millwright/device-drivers/derive';
import { PointId } from '@millwright/protocol';
import { plainText, type SiteEntry, slugOf } from '../../devices/pending-devices.ts';
import type { Announcement, Availability, Entity, EntityConfig } from './announcement.ts';
import { readTemplate, type TemplateMeaning } from './value-template.ts';

const MAX_TOPIC = 256;
const TRUE = ['true', 'on', 'yes', '1'];
const FALSE = ['false', 'off', 'no', '0'];
const STATE_CLASSES = ['measurement', 'total', 'total_increasing'];
/** Classes whose state is a word. */
const WORDS = new Set(['enum', 'timestamp', 'date']);
const CARRIED = new Set(['sensor', 'binary_sensor', 'switch', 'number', 'select', 'text']);

type Plain = Readonly<Record<string, unknown>>;

export interface EntryDraft {
  /** Absent when no entity could be carried over. */
  readonly entry: SiteEntry | undefined;
  /** What is not carried over, one sentence each. */
  readonly skipped: readonly string[];
}

/**
 * What a device says of itself to Home Assistant, as an entry of a site file: driver `mqtt`, one point per entity.
 * Nothing of it is run; what cannot be said in a device file is left out and named.
 */
export function siteEntryOf(announced: readonly Announcement[], broker: string): EntryDraft {
  const [first] = announced;
  if (first === undefined) return { entry: undefined, skipped: [] };
  const skipped = announced.flatMap(({ unreadable }) => unreadable);
  const points: Record<string, Plain> = {};
  const entities = announced.flatMap((each) => each.entities);
  for (const entity of entities) {
    const note = (what: string) => skipped.push(`${labelOf(entity)} ${what}`);
    const point = pointOf(entity, note);
    if (point !== undefined) points[freeId(entity, first.deviceId, points)] = point;
  }
  if (Object.keys(points).length === 0) return { entry: undefined, skipped };
  const availability = availabilityOf(entities, (what) => skipped.push(what));
  const name = plainText(first.name, 100);
  const entry = {
    id: slugOf(name || first.deviceId),
    ...(name === '' ? {} : { name }),
    driver: 'mqtt',
    connect: { broker, ...(availability === undefined ? {} : { availability }) },
    points,
  };
  return { entry, skipped };
}

function pointOf(entity: Entity, note: (what: string) => void): Plain | undefined {
  const { platform, config } = entity;
  if (!CARRIED.has(platform)) {
    note(`is not carried over: there is no counterpart of "${platform}" here`);
    return undefined;
  }
  const topic = topicOf(config.state_topic);
  if (topic === undefined) {
    note('tells its state on no topic that can be used');
    return undefined;
  }
  const template = config.value_template === undefined ? undefined : readTemplate(config.value_template);
  if (template?.ok === false) {
    note(template.why);
    return undefined;
  }
  const meaning: TemplateMeaning = template ?? {};
  const kind = kindOf(entity, note);
  const unit = kind === 'float64' ? unitOf(config, note) : undefined;
  const behaviour = STATE_CLASSES.find((known) => known === config.state_class);
  return {
    topic,
    ...(meaning.pick === undefined ? {} : { pick: meaning.pick }),
    ...(meaning.scale === undefined || kind !== 'float64' ? {} : { scale: meaning.scale }),
    as: kind,
    label: labelOf(entity),
    ...(unit === undefined ? {} : { unit }),
    ...(behaviour === undefined || kind !== 'float64' ? {} : { class: behaviour }),
    ...commandOf(entity, kind, meaning, note),
  };
}

type Kind = 'bool' | 'text' | 'float64';

function kindOf({ platform, config }: Entity, note: (what: string) => void): Kind {
  if (platform === 'number') return 'float64';
  if (platform === 'select' || platform === 'text') return 'text';
  if (platform === 'binary_sensor' || platform === 'switch') {
    const isSwitch = platform === 'switch';
    const on = (isSwitch ? config.state_on : undefined) ?? config.payload_on ?? 'ON';
    const off = (isSwitch ? config.state_off : undefined) ?? config.payload_off ?? 'OFF';
    if (isAmong(on, TRUE) && isAmong(off, FALSE)) return 'bool';
    if (isAmong(on, FALSE) && isAmong(off, TRUE)) {
      note(`counts "${plainText(off, 20)}" as off; here it is the value as the device says it`);
      return 'bool';
    }
    return 'text';
  }
  const isNumber = Boolean(config.unit_of_measurement || config.state_class);
  const isWord = WORDS.has(config.device_class ?? '') || config.options !== undefined;
  return !isWord && (isNumber || Boolean(config.device_class)) ? 'float64' : 'text';
}

function unitOf(
  { unit_of_measurement: unit }: EntityConfig,
  note: (what: string) => void,
): string | undefined {
  if (!unit) return undefined;
  const ucum = ucumOfHomeAssistant(unit);
  if (ucum === undefined) note(`is in "${plainText(unit, 20)}", a unit not known here: its values have none`);
  return ucum;
}

/** The `command` and `write` blocks of what can be set. */
function commandOf(
  { platform, config }: Entity,
  kind: Kind,
  { scale }: TemplateMeaning,
  note: (what: string) => void,
): Plain {
  if (config.command_topic === undefined) return {};
  const readOnly = (why: string) => {
    note(`is read only here: ${why}`);
    return {};
  };
  const topic = topicOf(config.command_topic);
  if (topic === undefined) return readOnly('its command topic cannot be used');
  const template = config.command_template;
  if (template !== undefined && !/^\s*\{\{\s*value\s*\}\}\s*$/.test(template)) {
    return readOnly('its commands are put together by a template');
  }
  const command = { topic, ...(config.retain === true ? { retain: true } : {}) };
  if (platform === 'switch') {
    const { payload_on: on = 'ON', payload_off: off = 'OFF' } = config;
    const isSound = [on, off].every((word) => word.length > 0 && word.length <= 200 && !isUnsafe(word));
    return kind === 'bool' && isSound
      ? { command: { ...command, on, off }, write: {} }
      : readOnly('it does not say on and off in words known here');
  }
  if (kind === 'float64' && scale !== undefined)
    return readOnly('it is told in another scale than it is set in');
  if (kind === 'text') return { command, write: {} };
  const { min = 1, max = 100 } = config;
  return min < max ? { command, write: { range: [min, max] } } : readOnly('its range is empty');
}

/** The most special of the topics that say whether the device is there, where the driver understands what they say. */
function availabilityOf(entities: readonly Entity[], note: (what: string) => void): string | undefined {
  const listed = entities.map(({ config }) => availabilitiesIn(config)).find((each) => each.length > 0);
  const last = listed?.at(-1);
  if (last === undefined) return undefined;
  const isPlain =
    last.value_template === undefined || /^\s*\{\{\s*value_json\.state\s*\}\}\s*$/.test(last.value_template);
  const isKnown =
    last.payload_available.toLowerCase() === 'online' &&
    last.payload_not_available.toLowerCase() === 'offline';
  const topic = topicOf(last.topic);
  if (isPlain && isKnown && topic !== undefined) return topic;
  note('It says in words of its own whether it is there; it counts as there while the broker is.');
  return undefined;
}

function availabilitiesIn(config: EntityConfig): readonly Availability[] {
  if (config.availability !== undefined) return config.availability;
  if (config.availability_topic === undefined) return [];
  return [
    {
      topic: config.availability_topic,
      payload_available: config.payload_available ?? 'online',
      payload_not_available: config.payload_not_available ?? 'offline',
      ...(config.availability_template === undefined ? {} : { value_template: config.availability_template }),
    },
  ];
}

function labelOf({ id, config }: Entity): string {
  return plainText(config.name ?? '', 100) || plainText(id.replace(/[_-]+/g, ' '), 100) || 'An entity';
}

function freeId({ id }: Entity, deviceId: string, taken: Readonly<Record<string, unknown>>): PointId {
  const own = id.toLowerCase().startsWith(`${deviceId.toLowerCase()}_`) ? id.slice(deviceId.length + 1) : id;
  const base = own
    .replace(/[^A-Za-z0-9_.-]+/g, '_')
    .slice(0, 100)
    .replace(/^[.-]+|[.-]+$/g, '');
  const wish = base === '' || base === '__proto__' ? 'value' : base;
  let free = wish;
  for (let turn = 2; Object.hasOwn(taken, free); turn++) free = `${wish}_${turn}`;
  return PointId.parse(free);
}

function topicOf(topic: string | undefined): string | undefined {
  const isSound = topic !== undefined && topic.length > 0 && topic.length <= MAX_TOPIC;
  return isSound && !/^[$~]|[+#]/.test(topic) && !isUnsafe(topic) ? topic : undefined;
}

/** Control characters, and what a site file would take for a variable. */
function isUnsafe(text: string): boolean {
  return /[\p{Cc}\p{Cs}]|\$\{/u.test(text);
}

function isAmong(word: string, words: readonly string[]): boolean {
  return words.includes(word.trim().toLowerCase());
}
