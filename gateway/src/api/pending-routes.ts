import { DeviceSlug } from '@millwright/protocol';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import type { PendingDevice } from '../devices/pending-devices.ts';
import { answered, jsonOf, parsed } from './change-routes.ts';
import type { Door } from './guard.ts';
import { problem } from './problem.ts';
import type { ApiSources } from './sources.ts';

const MAX_BODY_BYTES = 64 * 1024;

const AdoptBody = z.strictObject({
  /** Another id than the one it waits under. */
  as: DeviceSlug.optional(),
  /** What it is, for one that did not say so itself, or otherwise than it was proposed. */
  entry: z.record(z.string(), z.json()).optional(),
});

export interface PendingRoutesDeps {
  readonly sources: Pick<ApiSources, 'pending'>;
  readonly door: Door;
}

/** A device that waits to be adopted, with the names of the points it would have. */
export function pendingView(device: PendingDevice): PendingDevice & { readonly points: readonly string[] } {
  const points = device.entry?.points;
  return { ...device, points: typeof points === 'object' && points !== null ? Object.keys(points) : [] };
}

/** `/pending-devices`: what was found and is not a device yet. Adopting takes the token, as every change does. */
export function pendingRoutes({ sources, door }: PendingRoutesDeps): Hono {
  const app = new Hono();
  app.use('/pending-devices/*', async (context, next) => {
    if (context.req.method === 'GET' || door.mayChange(context)) return next();
    context.header('WWW-Authenticate', 'Bearer realm="millwright"');
    const hint = "send the token in the gateway's state folder (api-token) as a bearer token";
    return problem(context, 401, 'UNAUTHORIZED', 'changing something takes the access token', hint);
  });
  app.use(
    '/pending-devices/*',
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: (context) => problem(context, 413, 'BODY_TOO_LARGE', 'the body is larger than 64 KiB'),
    }),
  );

  app.get('/pending-devices', (context) =>
    context.json({
      items: (sources.pending?.list() ?? []).map(pendingView),
      refused: sources.pending?.refused ?? 0,
    }),
  );
  app.post('/pending-devices/:id/adopt', (context) =>
    changed(context, async (pending, id) => {
      const { as, entry } = parsed(AdoptBody, await jsonOf(context));
      const options = { ...(as === undefined ? {} : { as }), ...(entry === undefined ? {} : { entry }) };
      return { id: await pending.adopt(id, options) };
    }),
  );
  app.post('/pending-devices/:id/dismiss', (context) =>
    changed(context, async (pending, id) => {
      parsed(z.strictObject({}), await jsonOf(context));
      pending.dismiss(id);
      return { id };
    }),
  );
  return app;

  function changed(
    context: Context,
    change: (pending: NonNullable<ApiSources['pending']>, id: string) => Promise<object>,
  ): Promise<Response> {
    const { pending } = sources;
    const id = context.req.param('id') ?? '';
    return answered(context, async () => {
      if (pending === undefined || !pending.list().some((device) => device.id === id)) {
        const shown = id.slice(0, 64);
        return problem(context, 404, 'NOT_PENDING', `no device "${shown}" waits to be adopted`);
      }
      return context.json(await change(pending, id));
    });
  }
}
