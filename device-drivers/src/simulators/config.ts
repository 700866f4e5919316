import { DurationMs, Slug } from '@millwright/protocol';
import { z } from 'zod';

const Port = z.int().min(0, 'must be 0 (any free port) to 65535').max(65_535);
const Host = z.string().min(1).max(253).default('127.0.0.1');
const BrokerUrl = z.string().regex(/^mqtts?:\/\/[^\s]+$/, 'must be an mqtt:// or mqtts:// URL');
const Base = z
  .string()
  .regex(/^[^+#~]*[^+#~/]$/, 'must be a topic without wildcards and without "/" at its end');

const common = {
  /** Default: the kind. */
  id: Slug.optional(),
  /** The same seed makes the same history. */
  seed: z.int().default(1),
  /** How many times as fast as the clock. */
  speed: z.number().positive().max(3600).default(1),
} as const;
const modbus = {
  host: Host,
  /** RTU frames on the TCP socket, as serial servers speak it. */
  rtuOverTcp: z.boolean().default(false),
  /** Answers only to this unit; absent: to every one. */
  unit: z.int().min(1).max(247).optional(),
} as const;
const login = {
  username: z.string().optional(),
  /** Environment variable that holds the password. */
  passwordEnv: z.string().optional(),
} as const;

const PumpSkidConfig = z.strictObject({
  kind: z.literal('pump-skid'),
  ...common,
  ...modbus,
  port: Port.default(5020),
  /** Mean time between anomalies (cavitation, bearing damage); `0s`: none. */
  anomalyEvery: DurationMs.default(15 * 60_000),
});
const EnergyMeterConfig = z.strictObject({
  kind: z.literal('energy-meter'),
  ...common,
  ...modbus,
  port: Port.default(5021),
});
const AirHandlerConfig = z.strictObject({
  kind: z.literal('air-handler'),
  ...common,
  host: Host,
  port: Port.default(4841),
  /** Folder for its certificate; absent: a new one at each start. */
  pki: z.string().optional(),
});
const MqttSensorsConfig = z.strictObject({
  kind: z.literal('mqtt-sensors'),
  ...common,
  ...login,
  broker: BrokerUrl.default('mqtt://127.0.0.1:1883'),
  /** Topics are `<base>/<room>/…`. */
  base: Base.default('rooms'),
  rooms: z.array(Slug).min(1).max(200).default(['lobby', 'lab', 'office', 'workshop']),
  /** Those of the rooms that have a thermostat with a relay instead of a plain sensor. */
  thermostats: z.array(Slug).default(['office']),
  /** How often each sensor tells its values. */
  every: DurationMs.default(5_000),
});
const ReplayConfig = z
  .strictObject({
    kind: z.literal('replay'),
    ...common,
    ...modbus,
    ...login,
    /** CSV with a header and a time column; relative to the file that names it. */
    file: z.string().min(1),
    /** Registers per value. */
    as: z.enum(['float32', 'float64']).default('float64'),
    port: Port.optional(),
    broker: BrokerUrl.optional(),
    base: Base.default('replay'),
  })
  .refine((config) => (config.port === undefined) !== (config.broker === undefined), {
    message: 'needs exactly one of "port" (Modbus) and "broker" (MQTT)',
  });

const TypeConfig = z.strictObject({
  kind: z.literal('type'),
  ...common,
  ...modbus,
  /** A Modbus device type; relative to the file that names it. */
  file: z.string().min(1),
  port: Port.default(5022),
});

export const SimulatorConfig = z.discriminatedUnion('kind', [
  PumpSkidConfig,
  EnergyMeterConfig,
  AirHandlerConfig,
  MqttSensorsConfig,
  ReplayConfig,
  TypeConfig,
]);
export type SimulatorConfig = z.infer<typeof SimulatorConfig>;
export type SimulatorKind = SimulatorConfig['kind'];

/** What `millwright simulate --config` reads. */
export const SimulatorsFile = z
  .array(SimulatorConfig)
  .min(1)
  .max(500)
  .superRefine((list, context) => {
    const seen = new Set<string>();
    for (const [index, { id, kind }] of list.entries()) {
      const name = id ?? kind;
      if (seen.has(name)) {
        const message = `another simulator is called "${name}"; give this one an "id" of its own`;
        context.addIssue({ code: 'custom', path: [index, 'id'], message });
      }
      seen.add(name);
    }
  });
