import { type Clock, describeError, type Logger } from '@millwright/protocol';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { secureHeaders } from 'hono/secure-headers';
import { certificateRoutes } from './certificate-routes.ts';
import { changeRoutes } from './change-routes.ts';
import { type Door, hostGuard } from './guard.ts';
import type { Metrics } from './metrics.ts';
import { type StatusPageModel, signInPage, statusPage } from './page/status-page.ts';
import { pendingRoutes } from './pending-routes.ts';
import { problem } from './problem.ts';
import type { ApiSources } from './sources.ts';
import { deviceViews, deviceWithPoints, pointViews, statusView } from './views.ts';

/** A page with more points than this shows only the devices that were asked for. */
const OPEN_ALL_UP_TO = 100;
const MAX_OPEN = 50;

export type Assets = ReadonlyMap<string, { readonly type: string; readonly body: string }>;

export interface RoutesDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sources: ApiSources;
  readonly metrics: () => Promise<Metrics>;
  readonly door: Door;
  readonly assets: Assets;
}

export function createRoutes(deps: RoutesDeps, config: { readonly names: readonly string[] }): Hono {
  const { clock, logger, sources, metrics, door, assets } = deps;
  const startMs = clock.monotonicMs();
  const app = new Hono();

  app.use(securityHeaders);
  app.use(hostGuard(config.names));
  app.onError((error, context) => {
    logger.error({ path: context.req.path, error: describeError(error) }, 'request failed');
    return problem(context, 500, 'INTERNAL', 'the gateway could not answer; its log says why');
  });
  app.notFound((context) => problem(context, 404, 'NOT_FOUND', `there is no ${context.req.path} here`));

  app.get('/healthz', (context) => {
    const { fault } = sources.journal.stats();
    return context.json({ status: fault === undefined ? 'ok' : 'degraded' });
  });
  app.get('/assets/:name', (context) => {
    const asset = assets.get(context.req.param('name'));
    if (asset === undefined) return context.notFound();
    return context.body(asset.body, 200, { 'content-type': asset.type, 'cache-control': 'no-cache' });
  });
  app.post('/sign-in', bodyLimit({ maxSize: 2048, onError: tooLarge }), async (context) => {
    const { token } = await context.req.parseBody();
    if (typeof token !== 'string' || !door.signIn(context, token)) return context.html(signInPage(true), 401);
    return context.redirect('/', 303);
  });

  app.use(async (context, next) => {
    if (door.isOpenTo(context)) return next();
    if (context.req.path === '/') return context.html(signInPage(false), 401);
    context.header('WWW-Authenticate', 'Bearer realm="millwright"');
    const hint = "send the token in the gateway's state folder as a bearer token";
    return problem(context, 401, 'UNAUTHORIZED', 'this takes the access token', hint);
  });

  app.get('/', (context) => context.html(statusPage(pageModel(context))));
  app.get('/metrics', async (context) => {
    const opened = await metrics();
    return context.body(await opened.text(), 200, { 'content-type': opened.contentType });
  });
  app.get('/api/v1/status', (context) => context.json(statusView(sources, clock, startMs)));
  app.get('/api/v1/devices', (context) => context.json({ items: deviceViews(sources) }));
  app.get('/api/v1/devices/:id', (context) => {
    const id = context.req.param('id');
    const device = deviceWithPoints(sources, id);
    if (device !== undefined) return context.json(device);
    const detail = `this gateway has no device "${id.slice(0, 64)}"`;
    return problem(context, 404, 'DEVICE_UNKNOWN', detail, 'GET /api/v1/devices lists them');
  });
  app.route('/api/v1/opcua', certificateRoutes({ sources, door }));
  app.route('/api/v1', pendingRoutes({ sources, door }));
  app.route('/api/v1', changeRoutes({ clock, sources, door }));
  app.get('/api/v1/rules', (context) => context.json({ items: sources.rules?.views() ?? [] }));
  app.get('/api/v1/events/recent', (context) => context.json({ items: sources.events.recent() }));
  return app;

  /** Which devices are unfolded is in the address, so that it survives a reload and needs no script. */
  function pageModel(context: Context): StatusPageModel {
    const devices = deviceViews(sources);
    const asked = context.req.query('open');
    const all = sources.devices.devices();
    const points = [...all.values()].reduce((sum, { numbers }) => sum + numbers.size, 0);
    const opened = points <= OPEN_ALL_UP_TO ? devices.map(({ id }): string => id) : [];
    const open = new Set(asked === undefined ? opened : asked.split(',').slice(0, MAX_OPEN));
    return {
      status: statusView(sources, clock, startMs),
      alarms: sources.alarms.active(),
      events: sources.events.recent(),
      devices: devices.map((device) => ({
        device,
        points: open.has(device.id) ? pointViews(sources, device.id) : undefined,
        toggleHref: hrefFor(open, device.id),
      })),
    };
  }
}

const securityHeaders = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
    formAction: ["'self'"],
    baseUri: ["'none'"],
    frameAncestors: ["'none'"],
  },
  xFrameOptions: 'DENY',
  referrerPolicy: 'no-referrer',
  // Plain HTTP on a site network: a browser must not be told to insist on HTTPS.
  strictTransportSecurity: false,
  permissionsPolicy: { camera: [], microphone: [], geolocation: [] },
});

function tooLarge(context: Context): Response {
  return problem(context, 413, 'BODY_TOO_LARGE', 'the form is larger than 2 KiB');
}

function hrefFor(open: ReadonlySet<string>, id: string): string {
  const next = new Set(open);
  if (!next.delete(id)) next.add(id);
  return `/?open=${[...next].map(encodeURIComponent).join(',')}#device-${id}`;
}
