import { z } from 'zod';
import { pointShape } from '../point.ts';

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
      /** What is published for true and false of a bool, where the device does not take these very words. */
      on: z.string().min(1).max(200).optional(),
      off: z.string().min(1).max(200).optional(),
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

export type MqttPoint = z.infer<typeof MqttPoint>;
export type MqttConnect = z.infer<typeof MqttConnect>;
