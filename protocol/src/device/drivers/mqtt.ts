import { z } from 'zod';
import { DurationMs } from '../duration.ts';
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
const PemFile = z
  .string()
  .max(4096)
  .regex(/^(\/|[A-Za-z]:[\\/])/, 'must be a whole path, such as "/etc/millwright/ca.pem"');

export const MqttConnect = z
  .strictObject({
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
    /** How this gateway calls itself at the broker; default a name that is new with every start. */
    clientId: z.string().min(1).max(64).optional(),
    /** How long the broker keeps messages for this gateway while it is away (MQTT 5); needs `clientId`. */
    session: DurationMs.optional(),
    /** For `mqtts:`; PEM files by their whole path. */
    tls: z
      .strictObject({
        /** Whom to trust; absent: the authorities Node trusts. */
        ca: PemFile.optional(),
        /** This gateway's own certificate and its key, where the broker asks for one. */
        cert: PemFile.optional(),
        key: PemFile.optional(),
      })
      .refine(
        ({ cert, key }) => (cert === undefined) === (key === undefined),
        'needs both "cert" and "key", or neither',
      )
      .optional(),
  })
  .refine(({ session, clientId }) => session === undefined || clientId !== undefined, {
    message: 'needs "clientId": a session belongs to a name that stays the same',
    path: ['session'],
  });

export type MqttPoint = z.infer<typeof MqttPoint>;
export type MqttConnect = z.infer<typeof MqttConnect>;
