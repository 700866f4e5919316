import type { OpenAPIHono } from '@hono/zod-openapi';
import type { ApiConfig, ApiDeps, ApiEnv } from '../environment.ts';
import { problem } from '../problem.ts';
import * as routes from '../routes.ts';

/** Questions about the region: nothing here changes anything. */
export function serveReading(api: OpenAPIHono<ApiEnv>, deps: ApiDeps, config: ApiConfig): void {
  api.openapi(routes.health, async (context) => {
    const isUp = await deps.database.isUp();
    const { region, version } = config;
    const about = { region, version, atMs: deps.clock.wallMs() };
    return isUp
      ? context.json({ status: 'ok' as const, database: 'up' as const, ...about }, 200)
      : context.json({ status: 'degraded' as const, database: 'down' as const, ...about }, 503);
  });

  api.openapi(routes.summary, async (context) => context.json(await deps.overview.read(), 200));

  api.openapi(routes.listGateways, async (context) =>
    context.json(await deps.inventory.gateways(context.req.valid('query')), 200),
  );

  api.openapi(routes.listDevices, async (context) =>
    context.json(await deps.inventory.devices(context.req.valid('query')), 200),
  );

  api.openapi(routes.getDevice, async (context) => {
    const { id } = context.req.valid('param');
    const device = await deps.inventory.device(id);
    if (device === null) return problem(context, 404, 'DEVICE_UNKNOWN', `id: there is no device "${id}"`);
    return context.json(device, 200);
  });

  api.openapi(routes.getHistory, async (context) => {
    const { id, point } = context.req.valid('param');
    const { from, to, step } = context.req.valid('query');
    if (from !== undefined && to !== undefined && from > to) {
      return problem(context, 400, 'INVALID', 'query.from: is after query.to');
    }
    const history = await deps.history.read({ device: id, point, fromMs: from, toMs: to, stepMs: step });
    if (history === null) {
      return problem(context, 404, 'POINT_UNKNOWN', `point: device "${id}" has no point "${point}"`);
    }
    return context.json(history, 200);
  });

  api.openapi(routes.listGaps, async (context) =>
    context.json(await deps.journals.gaps(context.req.valid('query')), 200),
  );

  api.openapi(routes.listAlarms, async (context) =>
    context.json(await deps.journals.alarms(context.req.valid('query')), 200),
  );

  api.openapi(routes.listEvents, async (context) =>
    context.json(await deps.journals.events(context.req.valid('query')), 200),
  );

  api.openapi(routes.streamEvents, (context) => {
    const { session } = context.var.caller;
    return deps.streams.open({
      device: context.req.valid('query').device,
      lastEventId: context.req.valid('header')['last-event-id'],
      isAllowed: async () => session === undefined || (await deps.access.bySession(session.secret)) !== null,
      cut: () => context.env.outgoing.destroy(),
    });
  });
}
