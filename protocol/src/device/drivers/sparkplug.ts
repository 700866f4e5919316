import { z } from 'zod';
import { DurationMs } from '../duration.ts';
import { pointShape } from '../point.ts';

const ID = /^[^+/#\p{Cc}\p{Cs}]{1,200}$/u;

/** A group, edge node, device or host of Sparkplug: one level of an MQTT topic. */
export const SparkplugId = z
  .string()
  .regex(ID, 'must be 1–200 characters without "+", "/", "#" and control characters');

export function isSparkplugId(text: string): boolean {
  return ID.test(text);
}

/** `local` = the gateway's own broker, else the URL of another one. */
export const SparkplugBroker = z.union([
  z.literal('local'),
  z.string().regex(/^mqtts?:\/\/[^\s]+$/, 'must be "local" or an mqtt:// or mqtts:// URL'),
]);

export const SparkplugPoint = z.strictObject({
  ...pointShape,
  /** Name of the metric, as the birth certificate has it: `Inputs/Voltage`. */
  metric: z.string().min(1).max(500),
  as: z.enum(['bool', 'text', 'int64', 'uint64', 'float64']),
});
export const SparkplugConnect = z.strictObject({
  broker: SparkplugBroker,
  group: SparkplugId,
  node: SparkplugId,
  /** Absent: the metrics of the edge node itself. */
  device: SparkplugId.optional(),
  /** What this gateway calls itself as a host application on that broker; default a name kept in its state folder. */
  host: SparkplugId.optional(),
  /** How long a missing message is waited for before the edge node is asked for a rebirth. */
  reorder: DurationMs.default(5000),
  username: z.string().optional(),
  /** Environment variable that holds the password; never the password itself. */
  passwordEnv: z.string().optional(),
});

export type SparkplugPoint = z.infer<typeof SparkplugPoint>;
export type SparkplugConnect = z.infer<typeof SparkplugConnect>;
