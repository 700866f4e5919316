import {
  DEFAULT_AVAILABILITY_TOPIC,
  DEFAULT_POINT_TOPIC,
  DEFAULT_PRESENCE_TOPIC,
  type TopicVariable,
  topicTemplateProblem,
} from '@millwright/device-drivers/derive';
import { DurationMs } from '@millwright/protocol';
import { z } from 'zod';

const Template = (needed: readonly TopicVariable[]) =>
  z.string().superRefine((template, context) => {
    const message = topicTemplateProblem(template, needed);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

export const JsonPublishing = z.strictObject({
  /** Where a point's values go. */
  topic: Template(['device', 'point']).default(DEFAULT_POINT_TOPIC),
  /** Says `online` or `offline` of a device. */
  availability: Template(['device']).default(DEFAULT_AVAILABILITY_TOPIC),
  /** Says `online` or `offline` of this gateway. */
  presence: Template(['gateway']).default(DEFAULT_PRESENCE_TOPIC),
  /** The broker keeps the newest value for whoever comes later. */
  retain: z.boolean().default(true),
  /** A point that changes more often is published this often, with its newest value. */
  every: DurationMs.default(250),
  /** All points together; what is over it waits for its turn. */
  perSecond: z.int().min(1).max(100_000).default(4000),
});
export type JsonPublishing = z.infer<typeof JsonPublishing>;

export const HomeAssistantPublishing = z.strictObject({
  /** As set in Home Assistant. */
  prefix: Template([]).default('homeassistant'),
  /** What a command from there may do; absent: writable points are shown, and cannot be set. */
  role: z.enum(['viewer', 'operator', 'engineer']).optional(),
  /** Points that are announced; devices beyond it are not, and that is logged. */
  maxEntities: z.int().min(1).max(100_000).default(5000),
});
export type HomeAssistantPublishing = z.infer<typeof HomeAssistantPublishing>;

/** What this gateway tells others by MQTT. */
export const PublishConfig = z
  .strictObject({
    /** `local` = the gateway's own broker, else `mqtt://host:port` or `mqtts://…`. */
    broker: z
      .union([
        z.literal('local'),
        z.string().regex(/^mqtts?:\/\/[^\s]+$/, 'must be "local" or an mqtt:// or mqtts:// URL'),
      ])
      .default('local'),
    username: z.string().max(200).optional(),
    /** Environment variable that holds the password; never the password itself. */
    passwordEnv: z.string().max(200).optional(),
    json: z.union([z.literal(false), JsonPublishing]).prefault({}),
    homeAssistant: z.union([z.literal(false), HomeAssistantPublishing]).optional(),
  })
  .superRefine(({ json, homeAssistant }, context) => {
    if (json !== false || homeAssistant === undefined || homeAssistant === false) return;
    const message = 'needs "json": its entities read those topics';
    context.addIssue({ code: 'custom', path: ['homeAssistant'], message });
  })
  .transform(({ homeAssistant, ...rest }) => ({
    ...rest,
    homeAssistant:
      homeAssistant ?? (rest.json === false ? (false as const) : HomeAssistantPublishing.parse({})),
  }));
export type PublishConfig = z.infer<typeof PublishConfig>;
