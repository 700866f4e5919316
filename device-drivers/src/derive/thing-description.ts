import type { DeviceSpec, DeviceSpecOf, ModbusPoint } from '@millwright/protocol';
import { registersOf } from '@millwright/protocol';
import { expandTopic } from '../mqtt/topic.ts';
import { commandTopicOf } from './home-assistant.ts';
import { type PointFacts, pointFacts } from './point-facts.ts';
import { DEFAULT_POINT_TOPIC, fillTopic } from './topic-template.ts';

type Json = Readonly<Record<string, unknown>>;

export interface ThingDescription {
  readonly '@context': readonly unknown[];
  readonly id: string;
  readonly title: string;
  readonly properties: Readonly<Record<string, Json>>;
  readonly [term: string]: unknown;
}

export interface ThingOptions {
  readonly site: string;
  /** Name of the gateway, for templates that have it. */
  readonly gateway?: string;
  /** How the gateway's own broker is reached: `mqtt://host:port`. */
  readonly broker?: string;
  /** Template of the topics on which the gateway publishes points. */
  readonly pointTopic?: string;
}

const CONTEXT = [
  'https://www.w3.org/2022/wot/td/v1.1',
  {
    modv: 'https://www.w3.org/2019/wot/modbus#',
    mqv: 'https://www.w3.org/2019/wot/mqtt#',
    uav: 'http://opcfoundation.org/UA/WoT-Binding/',
    // What the bindings have no words for.
    mw: 'urn:millwright:td#',
  },
];
const OCTETS = 'application/octet-stream';
const QUALITIES = ['good', 'uncertain', 'bad'];

/**
 * A device as a W3C Thing: one property per point, with a form for the protocol its driver speaks. Where there is no
 * binding for that (a serial line, this machine), the form is the topic on which the gateway publishes the point.
 * @see https://www.w3.org/TR/wot-thing-description11/
 */
export function thingDescription(spec: DeviceSpec, options: ThingOptions): ThingDescription {
  const properties: Record<string, Json> = {};
  for (const point of pointFacts(spec)) properties[point.id] = propertyOf(spec, point, options);
  return {
    '@context': CONTEXT,
    '@type': 'Thing',
    id: `urn:millwright:${options.site}:${spec.id}`,
    title: spec.name ?? spec.id,
    ...(spec.type === undefined ? {} : { version: { instance: spec.type, model: spec.type } }),
    securityDefinitions: { nosec_sc: { scheme: 'nosec' } },
    security: ['nosec_sc'],
    properties,
  };
}

function propertyOf(spec: DeviceSpec, point: PointFacts, options: ThingOptions): Json {
  const forms = ownForms(spec, point, options);
  const isWritable = point.write !== undefined;
  const about = { title: point.name, readOnly: !isWritable, writeOnly: false };
  if (forms !== undefined) return { ...about, ...valueSchema(point), observable: isObserved(forms), forms };
  return {
    ...about,
    observable: true,
    type: 'object',
    properties: {
      v: { ...valueSchema(point), title: 'Value; null when there is none' },
      q: { type: 'string', enum: QUALITIES },
      t: { type: 'integer', unit: 'ms', title: 'When the device said so, since 1970' },
    },
    required: ['v', 'q', 't'],
    forms: publishedForms(spec, point, options),
  };
}

function valueSchema({ kind, spec, labels, write }: PointFacts): Json {
  const type = { bool: 'boolean', text: 'string', integer: 'integer', number: 'number' }[kind];
  const [minimum, maximum] = write?.range ?? [];
  const choices = [...labels].map(([value, title]) => ({ const: JSON.parse(value), title }));
  return {
    type,
    ...(spec.unit === undefined ? {} : { unit: spec.unit }),
    ...(minimum === undefined || maximum === undefined ? {} : { minimum, maximum }),
    ...(choices.length === 0 ? {} : { oneOf: choices }),
  };
}

function ownForms(spec: DeviceSpec, point: PointFacts, options: ThingOptions): Json[] | undefined {
  if (point.isComputed) return undefined;
  switch (spec.driver) {
    case 'modbus':
      return modbusForms(spec, point);
    case 'opcua':
      return opcuaForms(spec, point);
    case 'mqtt':
      return mqttForms(spec, point, options);
    default:
      return undefined;
  }
}

const ENTITIES = {
  holding: 'HoldingRegister',
  input: 'InputRegister',
  coil: 'Coil',
  discrete: 'DiscreteInput',
} as const;
const XSD: Readonly<Partial<Record<ModbusPoint['as'], string>>> = {
  bool: 'xsd:boolean',
  text: 'xsd:string',
  int8: 'xsd:byte',
  uint8: 'xsd:unsignedByte',
  int16: 'xsd:short',
  uint16: 'xsd:unsignedShort',
  int32: 'xsd:int',
  uint32: 'xsd:unsignedInt',
  int64: 'xsd:long',
  uint64: 'xsd:unsignedLong',
  float32: 'xsd:float',
  float64: 'xsd:double',
};
const MOST_SIGNIFICANT_FIRST: Readonly<Record<string, readonly [byte: boolean, word: boolean]>> = {
  ABCD: [true, true],
  CDAB: [true, false],
  BADC: [false, true],
  DCBA: [false, false],
};
/** What happens to the number between register and value: a consumer has to do the same. */
const WORKED_OUT = [
  'scale',
  'offset',
  'scaleFrom',
  'bit',
  'bits',
  'mask',
  'shift',
  'byte',
  'invalid',
] as const;

/** @see https://w3c.github.io/wot-binding-templates/bindings/protocols/modbus/ */
function modbusForms(spec: DeviceSpecOf<'modbus'>, { id, write }: PointFacts): Json[] | undefined {
  const point = spec.points[id];
  if (point === undefined || spec.connect.tcp === undefined) return undefined;
  const table = point.table ?? spec.defaults.table;
  const at = point.at - spec.defaults.base;
  const order = point.order ?? spec.defaults.order;
  const scan = spec.scans[point.scan ?? spec.defaults.scan ?? ''];
  const [byte, word] = MOST_SIGNIFICANT_FIRST[order] ?? [];
  const extra = WORKED_OUT.flatMap((key) => (point[key] === undefined ? [] : [[`mw:${key}`, point[key]]]));
  return [
    {
      href: `modbus+tcp://${spec.connect.tcp}/${spec.connect.unit}/${at}?quantity=${registersOf(point)}`,
      op: write === undefined ? ['readproperty'] : ['readproperty', 'writeproperty'],
      contentType: OCTETS,
      'modv:entity': ENTITIES[table],
      'modv:zeroBasedAddressing': true,
      ...(XSD[point.as] === undefined ? { 'mw:encoding': point.as } : { 'modv:type': XSD[point.as] }),
      ...(byte === undefined
        ? { 'mw:order': order }
        : { 'modv:mostSignificantByte': byte, 'modv:mostSignificantWord': word }),
      'modv:timeout': spec.connect.timeout,
      ...(scan === undefined ? {} : { 'modv:pollingTime': scan.every }),
      ...Object.fromEntries(extra),
    },
  ];
}

/** @see OPC 10101 §6.2 */
function opcuaForms(spec: DeviceSpecOf<'opcua'>, { id, write }: PointFacts): Json[] | undefined {
  const point = spec.points[id];
  if (point === undefined) return undefined;
  const node = point.node.replaceAll('#', '%23').replaceAll('&', '%26');
  return [
    {
      href: `${spec.connect.url.replace(/\/$/, '')}/?id=${encodeURI(node).replaceAll('%25', '%')}`,
      op: ['readproperty', 'observeproperty', ...(write === undefined ? [] : ['writeproperty'])],
      contentType: OCTETS,
      'uav:id': point.node,
    },
  ];
}

/** @see https://w3c.github.io/wot-binding-templates/bindings/protocols/mqtt/ */
function mqttForms(
  spec: DeviceSpecOf<'mqtt'>,
  { id }: PointFacts,
  options: ThingOptions,
): Json[] | undefined {
  const point = spec.points[id];
  if (point === undefined) return undefined;
  const { base, broker } = spec.connect;
  const href = broker === 'local' ? brokerOf(options) : broker;
  const isJson = point.pick !== undefined;
  const contentType = isJson ? 'application/json' : 'text/plain';
  const read = {
    href,
    op: ['observeproperty'],
    contentType,
    'mqv:controlPacket': 'subscribe',
    'mqv:filter': expandTopic(point.topic, base),
    ...(isJson ? { 'mw:pick': point.pick } : {}),
    ...(point.scale === undefined ? {} : { 'mw:scale': point.scale }),
  };
  if (point.write === undefined || point.command === undefined) return [read];
  const { topic, retain } = point.command;
  return [
    read,
    {
      href,
      op: ['writeproperty'],
      contentType: 'text/plain',
      'mqv:controlPacket': 'publish',
      'mqv:topic': expandTopic(topic, base),
      'mqv:retain': retain,
    },
  ];
}

function publishedForms(spec: DeviceSpec, point: PointFacts, options: ThingOptions): Json[] {
  const { site, gateway = 'gateway', pointTopic = DEFAULT_POINT_TOPIC } = options;
  const topic = fillTopic(pointTopic, { site, gateway, device: spec.id, point: point.id });
  const href = brokerOf(options);
  const read = {
    href,
    op: ['observeproperty'],
    contentType: 'application/json',
    'mqv:controlPacket': 'subscribe',
    'mqv:filter': topic,
  };
  if (point.write === undefined) return [read];
  const write = { op: ['writeproperty'], contentType: 'text/plain', 'mqv:controlPacket': 'publish' };
  return [read, { href, ...write, 'mqv:topic': commandTopicOf(topic) }];
}

function brokerOf({ broker = 'mqtt://gateway.local:1883' }: ThingOptions): string {
  return broker;
}

function isObserved(forms: readonly Json[]): boolean {
  return forms.some(({ op }) => Array.isArray(op) && op.includes('observeproperty'));
}
