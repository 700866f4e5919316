import { z } from 'zod';

/** How devices that are not in the site file are found. None of them is read before somebody adopts it. */
export const AdoptConfig = z.strictObject({
  /** Devices on the gateway's own broker that announce themselves as Home Assistant wants it. */
  homeAssistant: z
    .union([
      z.literal(false),
      z.strictObject({
        prefix: z
          .string()
          .regex(/^[^+#$/][^+#]*[^+#/]$/, 'must be a topic without wildcards, such as "homeassistant"')
          .max(200)
          .default('homeassistant'),
      }),
    ])
    .prefault({}),
  /** Whoever sends messages on the gateway's own broker that belong to no device. */
  messages: z.boolean().default(true),
  /** Edge nodes and devices that are born on the gateway's own broker. */
  sparkplug: z.boolean().default(true),
  maxPending: z.int().min(1).max(5000).default(500),
});
export type AdoptConfig = z.infer<typeof AdoptConfig>;
