import { z } from '@hono/zod-openapi';
import { DeviceId, GatewayId, SiteId } from '@millwright/protocol';
import { AnyValue, DeviceView, EpochMs, Quality, Why } from './schemas.ts';

/** What `GET /api/v1/events` sends, by the name of the SSE event. */
export const StreamValue = z
  .object({
    device: DeviceId,
    point: z.string(),
    v: AnyValue,
    q: Quality,
    why: Why.optional(),
    tSource: EpochMs,
    tGateway: EpochMs,
  })
  .openapi('StreamValue', { description: 'event: value' });
export const StreamDevice = DeviceView.pick({
  id: true,
  name: true,
  type: true,
  driver: true,
  gateway: true,
  site: true,
  online: true,
  why: true,
  sinceMs: true,
})
  .extend({ gone: z.boolean().openapi({ description: 'No longer configured' }) })
  .openapi('StreamDevice', { description: 'event: device' });
export const StreamGateway = z
  .object({ id: GatewayId, name: z.string(), site: SiteId, version: z.string(), online: z.boolean() })
  .openapi('StreamGateway', { description: 'event: gateway' });
export const StreamReset = z.object({ reason: z.string() }).openapi('StreamReset', {
  description: 'event: reset – what was missed is no longer held: load everything anew',
});
export const StreamClosed = z
  .object({ reason: z.string() })
  .openapi('StreamClosed', { description: 'event: closed – the server ends the stream; reconnect' });
export type StreamValue = z.infer<typeof StreamValue>;
export type StreamDevice = z.infer<typeof StreamDevice>;
export type StreamGateway = z.infer<typeof StreamGateway>;
