import { randomUUID } from 'node:crypto';
import {
  ALARM_ACTIONS,
  type Clock,
  DeviceSlug,
  InvalidInputError,
  JsonValueSchema,
  LimitError,
  PointId,
  UnavailableError,
  withDeadline,
} from '@millwright/protocol';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import { AlarmRequest } from '../alarms/alarm-request.ts';
import type { Door } from './guard.ts';
import { problem } from './problem.ts';
import type { ApiSources } from './sources.ts';

const MAX_BODY_BYTES = 16 * 1024;
const RECORDED_WITHIN_MS = 10_000;
const COMMAND_VALID_MS = 30_000;

const WriteBody = z.strictObject({
  value: JsonValueSchema,
  /** Goes through every check and moves nothing. */
  dryRun: z.boolean().default(false),
  /** Repeated with the same id, the first receipt is given again and nothing moves. */
  id: z.string().min(8).max(64).optional(),
  /** Who, for the journal. */
  by: z.string().min(1).max(100).default('local'),
});
const AlarmBody = AlarmRequest.omit({ action: true })
  .extend({ by: z.string().min(1).max(100).default('local') })
  .strict();
const AlarmAction = z.enum(ALARM_ACTIONS);

export interface ChangeRoutesDeps {
  readonly clock: Clock;
  readonly sources: Pick<ApiSources, 'alarms' | 'commands'>;
  readonly door: Door;
}

/**
 * What changes something. Unlike reading it takes the token also on this machine: another user of it, or a page in
 * its browser, must not move a valve. Whoever can read the token owns the gateway, and acts as an engineer.
 */
export function changeRoutes({ clock, sources, door }: ChangeRoutesDeps): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    if (context.req.method === 'GET' || door.mayChange(context)) return next();
    context.header('WWW-Authenticate', 'Bearer realm="millwright"');
    const hint = "send the token in the gateway's state folder (api-token) as a bearer token";
    return problem(context, 401, 'UNAUTHORIZED', 'changing something takes the access token', hint);
  });
  app.use(
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: (context) => problem(context, 413, 'BODY_TOO_LARGE', 'the body is larger than 16 KiB'),
    }),
  );

  app.get('/alarms', (context) =>
    context.json({ items: sources.alarms.list(), isFlooded: sources.alarms.isFlooded }),
  );

  app.post('/alarms/:device/:point/:alarm/:action', async (context) => {
    const action = AlarmAction.safeParse(context.req.param('action'));
    if (!action.success) {
      const detail = `there is no "${context.req.param('action').slice(0, 50)}"`;
      return problem(context, 404, 'NOT_FOUND', detail, `there are: ${ALARM_ACTIONS.join(', ')}`);
    }
    const name = {
      device: DeviceSlug.safeParse(context.req.param('device')),
      point: PointId.safeParse(context.req.param('point')),
    };
    if (!name.device.success || !name.point.success) {
      return problem(context, 404, 'ALARM_UNKNOWN', 'there is no such device or point');
    }
    const about = { device: name.device.data, point: name.point.data, alarm: context.req.param('alarm') };
    return answered(context, async () => {
      const body = parsed(AlarmBody, await jsonOf(context));
      const limits = { clock, withinMs: RECORDED_WITHIN_MS, what: 'the disk' };
      const request = { ...body, action: action.data };
      return context.json(await withDeadline(limits, () => sources.alarms.request(about, request)));
    });
  });

  app.post('/devices/:device/points/:point/write', async (context) => {
    const device = DeviceSlug.safeParse(context.req.param('device'));
    const point = PointId.safeParse(context.req.param('point'));
    if (!device.success || !point.success) {
      return problem(context, 404, 'POINT_UNKNOWN', 'there is no such device or point');
    }
    return answered(context, async () => {
      const { value, dryRun, id = randomUUID(), by } = parsed(WriteBody, await jsonOf(context));
      const issuedAtMs = clock.wallMs();
      const receipt = await sources.commands.handle({
        ...{ id, device: device.data, point: point.data, value, issuedAtMs },
        by: { name: by, role: 'engineer' },
        expiresAtMs: issuedAtMs + COMMAND_VALID_MS,
        ...(dryRun ? { dryRun } : {}),
      });
      return context.json(receipt);
    });
  });
  return app;
}

/** A request that a browser's form could make, too, is none of ours: only JSON is asked for first (CORS). */
export async function jsonOf(context: Context): Promise<unknown> {
  if (!/^application\/json\b/i.test(context.req.header('content-type') ?? '')) {
    throw new InvalidInputError('NOT_JSON', 'the body must be application/json');
  }
  try {
    return await context.req.json();
  } catch (cause) {
    throw new InvalidInputError('NOT_JSON', 'the body is not JSON', { cause });
  }
}

export function parsed<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const lines = result.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`);
  throw new InvalidInputError('INVALID', lines.join('; '));
}

export async function answered(context: Context, work: () => Promise<Response>): Promise<Response> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof LimitError) return problem(context, 429, error.code, error.message, error.hint);
    if (error instanceof UnavailableError) {
      const detail = `${error.message}; it may not be recorded`;
      return problem(context, 503, error.code, detail, error.hint);
    }
    if (!(error instanceof InvalidInputError)) throw error;
    const status = error.code === 'ALARM_UNKNOWN' ? 404 : STATUS_400.has(error.code) ? 400 : 409;
    return problem(context, status, error.code, error.message, error.hint);
  }
}

const STATUS_400: ReadonlySet<string> = new Set(['INVALID', 'NOT_JSON', 'REASON_MISSING']);
