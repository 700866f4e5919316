import { z } from 'zod';

/** @see https://www.home-assistant.io/integrations/mqtt/#supported-abbreviations-in-mqtt-discovery-messages */
const ABBREVIATIONS: Readonly<Record<string, string>> = {
  avty: 'availability',
  avty_mode: 'availability_mode',
  cmd_t: 'command_topic',
  dev_cla: 'device_class',
  ops: 'options',
  p: 'platform',
  pl_avail: 'payload_available',
  pl_not_avail: 'payload_not_available',
  pl_off: 'payload_off',
  pl_on: 'payload_on',
  stat_cla: 'state_class',
  stat_off: 'state_off',
  stat_on: 'state_on',
  stat_t: 'state_topic',
  sug_dsp_prc: 'suggested_display_precision',
  t: 'topic',
  uniq_id: 'unique_id',
  unit_of_meas: 'unit_of_measurement',
  val_tpl: 'value_template',
};

/** State classes and units a sensor of each device class may have. @see https://www.home-assistant.io/integrations/sensor/ */
const MEASUREMENT = ['measurement'];
const COUNTER = ['total', 'total_increasing'];
const ANY = [...MEASUREMENT, ...COUNTER];
const DEVICE_CLASSES: Readonly<
  Record<string, { readonly states: readonly string[]; readonly units: readonly (string | undefined)[] }>
> = {
  apparent_power: { states: MEASUREMENT, units: ['mVA', 'VA', 'kVA'] },
  battery: { states: MEASUREMENT, units: ['%'] },
  carbon_dioxide: { states: MEASUREMENT, units: ['ppm'] },
  current: { states: MEASUREMENT, units: ['A', 'mA'] },
  data_rate: { states: MEASUREMENT, units: ['bit/s', 'B/s', 'kB/s', 'MB/s'] },
  data_size: { states: ANY, units: ['B', 'kB', 'MB', 'GB', 'KiB', 'MiB', 'GiB'] },
  distance: { states: ANY, units: ['mm', 'cm', 'm', 'km'] },
  duration: { states: ANY, units: ['d', 'h', 'min', 's', 'ms'] },
  energy: { states: COUNTER, units: ['J', 'kJ', 'MJ', 'GJ', 'Wh', 'kWh', 'MWh'] },
  frequency: { states: MEASUREMENT, units: ['Hz', 'kHz', 'MHz'] },
  humidity: { states: MEASUREMENT, units: ['%'] },
  power: { states: MEASUREMENT, units: ['mW', 'W', 'kW', 'MW'] },
  power_factor: { states: MEASUREMENT, units: ['%', undefined] },
  pressure: { states: MEASUREMENT, units: ['Pa', 'hPa', 'kPa', 'mbar', 'bar', 'psi'] },
  speed: { states: MEASUREMENT, units: ['mm/s', 'm/s', 'km/h'] },
  temperature: { states: MEASUREMENT, units: ['°C', '°F', 'K'] },
  voltage: { states: MEASUREMENT, units: ['mV', 'V', 'kV'] },
  volume: { states: COUNTER, units: ['m³', 'L', 'mL'] },
  volume_storage: { states: MEASUREMENT, units: ['m³', 'L', 'mL'] },
  volume_flow_rate: { states: MEASUREMENT, units: ['m³/h', 'm³/s', 'L/h', 'L/min', 'L/s'] },
  weight: { states: ANY, units: ['mg', 'g', 'kg'] },
};

const Topic = z
  .string()
  .regex(/^[^+#\0]+$/)
  .max(65535);
const Template = z
  .string()
  .refine((text) => rendererOf(text) !== undefined, 'is no template Home Assistant can render');
const base = {
  platform: z.string(),
  name: z.string().min(1),
  unique_id: z.string().min(1),
  state_topic: Topic,
  value_template: Template.optional(),
  availability: z.array(
    z.strictObject({
      topic: Topic,
      payload_available: z.string().default('online'),
      payload_not_available: z.string().default('offline'),
      value_template: Template.optional(),
    }),
  ),
  availability_mode: z.enum(['all', 'any', 'latest']).default('latest'),
} as const;
const unit = { unit_of_measurement: z.string().optional(), device_class: z.string().optional() } as const;

const Sensor = z
  .strictObject({
    ...base,
    ...unit,
    platform: z.literal('sensor'),
    state_class: z.enum(['measurement', 'total', 'total_increasing']).optional(),
    options: z.array(z.string()).min(1).optional(),
  })
  .superRefine(({ device_class: name, unit_of_measurement: of, state_class: state, options }, context) => {
    const wrong = (message: string) => context.addIssue({ code: 'custom', message });
    if ((name === 'enum') !== (options !== undefined)) wrong('"options" and device class "enum" go together');
    if (name === 'enum' && (of !== undefined || state !== undefined))
      wrong('an enum has neither unit nor state class');
    const known = name === undefined || name === 'enum' ? undefined : DEVICE_CLASSES[name];
    if (name !== undefined && name !== 'enum' && known === undefined)
      wrong(`there is no device class ${name}`);
    if (known !== undefined && !known.units.includes(of)) wrong(`${name} is not measured in ${of}`);
    if (known !== undefined && state !== undefined && !known.states.includes(state)) {
      wrong(`state class ${state} is impossible for ${name}`);
    }
  });
const BinarySensor = z.strictObject({
  ...base,
  platform: z.literal('binary_sensor'),
  device_class: z.string().optional(),
  payload_on: z.string().default('ON'),
  payload_off: z.string().default('OFF'),
});
const Switch = z.strictObject({
  ...base,
  platform: z.literal('switch'),
  command_topic: Topic,
  payload_on: z.string().default('ON'),
  payload_off: z.string().default('OFF'),
  state_on: z.string().optional(),
  state_off: z.string().optional(),
  retain: z.boolean().default(false),
});
const NumberEntity = z
  .strictObject({
    ...base,
    ...unit,
    platform: z.literal('number'),
    command_topic: Topic,
    min: z.number().default(1),
    max: z.number().default(100),
    step: z.number().min(0.001).default(1),
    mode: z.enum(['auto', 'box', 'slider']).default('auto'),
    retain: z.boolean().default(false),
  })
  .refine(({ min, max }) => min < max, 'max must be greater than min');
const Select = z.strictObject({
  ...base,
  platform: z.literal('select'),
  command_topic: Topic,
  options: z.array(z.string()).min(1),
  retain: z.boolean().default(false),
});
const Text = z.strictObject({
  ...base,
  platform: z.literal('text'),
  command_topic: Topic,
  max: z.int().min(0).max(255).default(255),
  retain: z.boolean().default(false),
});
const Component = z.discriminatedUnion('platform', [
  Sensor,
  BinarySensor,
  Switch,
  NumberEntity,
  Select,
  Text,
]);

const Device = z
  .strictObject({
    identifiers: z.union([z.string(), z.array(z.string())]),
    name: z.string(),
    manufacturer: z.string().optional(),
    model: z.string().optional(),
    sw_version: z.string().optional(),
  })
  .readonly();
const DEVICE_ABBREVIATIONS: Readonly<Record<string, string>> = {
  ids: 'identifiers',
  mf: 'manufacturer',
  mdl: 'model',
  sw: 'sw_version',
};
const Payload = z.strictObject({
  dev: z.record(z.string(), z.unknown()),
  o: z.strictObject({ name: z.string().min(1), sw: z.string().optional(), url: z.string().optional() }),
  cmps: z.record(z.string().regex(/^[A-Za-z0-9_-]+$/), z.record(z.string(), z.unknown())),
});

export interface Entity {
  readonly config: Readonly<Record<string, unknown>>;
  readonly stateTopic: string;
  readonly render: (payload: string) => string;
  readonly availability: readonly {
    readonly topic: string;
    readonly available: string;
    readonly render: (payload: string) => string;
  }[];
}

export interface Config {
  readonly device: z.infer<typeof Device>;
  readonly entities: readonly Entity[];
}

/** @throws for a message that Home Assistant would not take as it stands */
export function checked(topic: string, text: string): Config {
  if (!/^homeassistant\/device\/[A-Za-z0-9_-]+\/config$/.test(topic))
    throw new TypeError('is no discovery topic');
  const { dev, cmps } = Payload.parse(JSON.parse(text));
  const device = Device.parse(
    Object.fromEntries(Object.entries(dev).map(([key, value]) => [DEVICE_ABBREVIATIONS[key] ?? key, value])),
  );
  return { device, entities: Object.values(cmps).map(entityOf) };
}

function entityOf(component: Readonly<Record<string, unknown>>): Entity {
  const config = Component.parse(spelledOut(component));
  return {
    config,
    stateTopic: config.state_topic,
    render: rendererOf(config.value_template) ?? String,
    availability: config.availability.map((each) => ({
      topic: each.topic,
      available: each.payload_available,
      render: rendererOf(each.value_template) ?? String,
    })),
  };
}

function spelledOut(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(spelledOut);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [ABBREVIATIONS[key] ?? key, spelledOut(each)]),
  );
}

/** The templates that occur, as Jinja renders them; undefined for any other. */
function rendererOf(template: string | undefined): ((payload: string) => string) | undefined {
  if (template === undefined) return (payload) => payload;
  const match = /^\{\{ value_json\.([a-z_]+)(?: != '([^']*)')? \}\}$/.exec(template);
  if (match === null) return undefined;
  const [, key = '', other] = match;
  return (payload) => {
    const json: unknown = JSON.parse(payload === '' ? '{}' : payload);
    const value: unknown = typeof json === 'object' && json !== null ? Reflect.get(json, key) : undefined;
    return pythonic(other === undefined ? value : value !== other);
  };
}

function pythonic(value: unknown): string {
  if (value === null || value === undefined) return value === null ? 'None' : '';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return String(value);
}
