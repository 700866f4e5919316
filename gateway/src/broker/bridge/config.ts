import { DurationMs, Slug } from '@millwright/protocol';
import { z } from 'zod';
import { isTopicFilter } from '../topic-filter.ts';

const Prefix = z
  .string()
  .max(256)
  .regex(/^[^+#$][^+#]*$/, 'must be the beginning of a topic without wildcards, such as "site-a/"');

const BridgeTopic = z.strictObject({
  /** Topic filter, behind the prefix of either side. */
  pattern: z.string().refine(isTopicFilter, 'must be an MQTT topic filter, such as "hall/#"'),
  /** `out`: from this gateway to the other broker; `in`: from there to here. */
  direction: z.enum(['in', 'out', 'both']),
  qos: z.union([z.literal(0), z.literal(1)]).default(1),
  localPrefix: Prefix.optional(),
  remotePrefix: Prefix.optional(),
});
export type BridgeTopic = z.infer<typeof BridgeTopic>;

/** A standing exchange of messages between the gateway's own broker and another one. */
export const BridgeConfig = z.strictObject({
  name: Slug,
  broker: z.string().regex(/^mqtts?:\/\/[^\s]+$/, 'must be an mqtt:// or mqtts:// URL'),
  /** @default of the gateway's and the bridge's name */
  clientId: z.string().min(1).max(64).optional(),
  username: z.string().max(256).optional(),
  /** Environment variable that holds the password; never the password itself. */
  passwordEnv: z.string().max(128).optional(),
  /** PEM files. */
  tls: z
    .strictObject({
      ca: z.string().min(1).optional(),
      cert: z.string().min(1).optional(),
      key: z.string().min(1).optional(),
    })
    .optional(),
  topics: z.array(BridgeTopic).min(1).max(50),
  /** What the other broker keeps for us while we are away. */
  session: DurationMs.default(24 * 3600 * 1000),
  queue: z
    .strictObject({
      /** Of what waits for the other broker; beyond, the oldest is dropped. */
      maxBytes: z
        .int()
        .min(1024)
        .max(1024 ** 3)
        .default(16 * 1024 * 1024),
      maxMessages: z.int().min(1).max(1_000_000).default(50_000),
    })
    .prefault({}),
});
export type BridgeConfig = z.infer<typeof BridgeConfig>;

export const BridgesConfig = z
  .array(BridgeConfig)
  .max(20)
  .refine((bridges) => new Set(bridges.map(({ name }) => name)).size === bridges.length, {
    message: 'two bridges have the same name',
  })
  .default([]);
export type BridgesConfig = z.infer<typeof BridgesConfig>;
