import { getConnInfo } from '@hono/node-server/conninfo';
import { OpenAPIHono } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import { serveConsole } from './console-files.ts';
import type { ApiConfig, ApiDeps, ApiEnv } from './environment.ts';
import { guard, hostCheck, securityHeaders } from './guard.ts';
import { serveChanging } from './handlers/change.ts';
import { serveReading } from './handlers/read.ts';
import { serveSessions } from './handlers/session.ts';
import { openApiDocument } from './openapi.ts';
import { errorProblem, problem, validationProblem } from './problem.ts';

const MAX_BODY_BYTES = 64 * 1024;
const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

/** The region's HTTP side: API, event stream, metrics and console. */
export function createApp(deps: ApiDeps, config: ApiConfig): OpenAPIHono<ApiEnv> {
  const api = new OpenAPIHono<ApiEnv>({
    defaultHook: (result, context) =>
      result.success ? undefined : validationProblem(context, result.target, result.error),
  });
  api.onError((error, context) => errorProblem(context, error, deps.logger));
  api.notFound((context) =>
    problem(context, 404, 'NOT_FOUND', `there is nothing at ${context.req.method} ${context.req.path}`),
  );
  api.use(securityHeaders(config), hostCheck(config));
  api.use('/api/*', guard(deps, config));
  api.use(
    '/api/*',
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: (context) =>
        problem(context, 413, 'BODY_TOO_LARGE', `a body is at most ${MAX_BODY_BYTES} bytes`),
    }),
  );
  serveReading(api, deps, config);
  serveChanging(api, deps);
  serveSessions(api, deps, config);
  const document = openApiDocument(config.version);
  api.get('/openapi.json', (context) => context.json(document));
  api.get('/metrics', async (context) => {
    const isLocal = LOOPBACK.test(getConnInfo(context).remote.address ?? '');
    const bearer = /^Bearer +(\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1] ?? '';
    if (!isLocal && deps.access.byToken(bearer) === null) {
      return problem(context, 401, 'SIGN_IN', 'from another machine, metrics need the bearer token');
    }
    return context.text(await deps.metrics());
  });
  serveConsole(api, config);
  return api;
}
