import { z } from 'zod';
import { DurationMs } from './duration.ts';
import { pointShape } from './point.ts';

const HostPort = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5}$/, 'must be "host:port", such as "10.0.4.7:502"')
  .refine(
    (text) => {
      const port = Number(text.slice(text.lastIndexOf(':') + 1));
      return port >= 1 && port <= 65535;
    },
    { message: 'the port must be 1–65535' },
  );

export const NUMERIC_ENCODINGS = [
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'float32',
  'float64',
] as const;

/**
 * `at` counts from the type's `base`: 0 = the address on the wire, 1 = as most manuals count. A resolved device
 * (`resolveSite`) has wire addresses and base 0. Order: which byte of the value comes first (`ABCD` = big endian).
 */
export const ModbusPoint = z.strictObject({
  ...pointShape,
  table: z.enum(['holding', 'input', 'coil', 'discrete']).optional(),
  at: z.int().min(0).max(65535),
  as: z.enum(['bool', 'text', ...NUMERIC_ENCODINGS]),
  /** Registers of a `text`. */
  length: z.int().min(1).max(60).optional(),
  order: z.enum(['ABCD', 'CDAB', 'BADC', 'DCBA']).optional(),
  scale: z
    .number()
    .refine((n) => n !== 0, 'must not be 0')
    .optional(),
  offset: z.number().optional(),
  scan: z.string().optional(),
});
export const ModbusConnect = z
  .strictObject({
    tcp: HostPort.optional(),
    /** RTU frames over a TCP socket, as serial servers speak it. */
    rtuOverTcp: HostPort.optional(),
    unit: z.int().min(0).max(255).default(1),
    timeout: DurationMs.default(1000),
  })
  .refine(
    (c) => (c.tcp === undefined) !== (c.rtuOverTcp === undefined),
    'needs exactly one of "tcp" and "rtuOverTcp"',
  );
export const ModbusType = {
  scans: z.record(z.string(), DurationMs).default({}),
  defaults: z
    .strictObject({
      table: z.enum(['holding', 'input', 'coil', 'discrete']).default('holding'),
      order: z.enum(['ABCD', 'CDAB', 'BADC', 'DCBA']).default('ABCD'),
      base: z.int().min(0).max(1).default(0),
      scan: z.string().optional(),
    })
    .prefault({}),
  /** Neighbouring registers are read in one request when the unused gap between them is at most `maxGap`. */
  merge: z
    .strictObject({
      maxGap: z.int().min(0).max(120).default(8),
      maxRegisters: z.int().min(1).max(125).default(120),
      avoid: z.array(z.tuple([z.int(), z.int()])).default([]),
    })
    .prefault({}),
} as const;

export const OpcuaPoint = z.strictObject({
  ...pointShape,
  /** NodeId, such as `ns=3;s=Press.Temp`. */
  node: z.string().regex(/^(ns=\d+;)?[isgb]=.+$/, 'must be a NodeId, such as "ns=3;s=Press.Temp"'),
  as: z.enum(['bool', 'text', 'int64', 'uint64', 'float64']),
  subscribe: z
    .strictObject({ publish: DurationMs.default(500), queue: z.int().min(1).max(1000).default(10) })
    .prefault({}),
});
export const OpcuaConnect = z
  .strictObject({
    url: z.string().regex(/^opc\.tcp:\/\/[^/\s]+/, 'must start with "opc.tcp://"'),
    security: z
      .enum(['None', 'Basic256Sha256', 'Aes128_Sha256_RsaOaep', 'Aes256_Sha256_RsaPss'])
      .default('None'),
    mode: z.enum(['none', 'sign', 'sign+encrypt']).default('none'),
    timeout: DurationMs.default(10_000),
  })
  .refine(
    (c) => (c.security === 'None') === (c.mode === 'none'),
    'needs "security" and "mode" together: both set, or neither',
  );

export const MqttPoint = z.strictObject({
  ...pointShape,
  /** Topic filter; a leading `~` stands for `base` of the device's `connect` block. */
  topic: z.string().min(1).max(512),
  /** JSONPath (RFC 9535) into a JSON payload; absent: the payload is the value. */
  pick: z.string().startsWith('$').optional(),
  as: z.enum(['bool', 'text', 'int64', 'float64']),
  scale: z.number().optional(),
  /** Where a write is published; required when the point has a `write` block. */
  command: z
    .strictObject({
      topic: z
        .string()
        .regex(/^[^+#]+$/, 'must be a topic without wildcards')
        .max(512),
      retain: z.boolean().default(false),
    })
    .optional(),
});
export const MqttConnect = z.strictObject({
  /** `local` = the gateway's own broker, else `mqtt://host:port` or `mqtts://…`. */
  broker: z.union([
    z.literal('local'),
    z.string().regex(/^mqtts?:\/\/[^\s]+$/, 'must be "local" or an mqtt:// or mqtts:// URL'),
  ]),
  /** What a leading `~` in this device's topics stands for: lets one type serve many devices. */
  base: z
    .string()
    .regex(
      /^[^+#~]*[^+#~/]$/,
      'must be a topic without wildcards and without "/" at its end, such as "hall/th"',
    )
    .max(256)
    .optional(),
  /** Topic that says "online" or "offline", usually a last will. */
  availability: z.string().max(512).optional(),
  username: z.string().optional(),
  /** Environment variable that holds the password; never the password itself. */
  passwordEnv: z.string().optional(),
});

export const HOST_METRICS = [
  'cpu.load',
  'cpu.temperature',
  'memory.used',
  'memory.available',
  'disk.used',
  'disk.free',
  'network.received',
  'network.sent',
  'uptime',
  'load.1m',
] as const;
export const HostPoint = z.strictObject({ ...pointShape, metric: z.enum(HOST_METRICS) });
export const HostConnect = z.strictObject({
  every: DurationMs.default(1000),
  /** Mount point the disk metrics are about. */
  disk: z.string().default('/'),
});

export type ModbusPoint = z.infer<typeof ModbusPoint>;
export type ModbusConnect = z.infer<typeof ModbusConnect>;
export type OpcuaPoint = z.infer<typeof OpcuaPoint>;
export type OpcuaConnect = z.infer<typeof OpcuaConnect>;
export type MqttPoint = z.infer<typeof MqttPoint>;
export type MqttConnect = z.infer<typeof MqttConnect>;
export type HostPoint = z.infer<typeof HostPoint>;
export type HostConnect = z.infer<typeof HostConnect>;
