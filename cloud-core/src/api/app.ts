import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, describeError, type Logger, RegionId, RegionSummary } from '@millwright/protocol';
import { Hono, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { secureHeaders } from 'hono/secure-headers';
import { z } from 'zod';
import { mergeRegions } from '../regions/merged-view.ts';
import type { RegionStore } from '../regions/store.ts';

interface AppDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: RegionStore;
  /** Called after news of a region was kept. */
  readonly onNews: () => void;
}

const MAX_SUMMARY_BYTES = 64 << 20;
const PAGE = join(import.meta.dirname, '..', 'page');
const PAGE_FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/page.css': ['page.css', 'text/css; charset=utf-8'],
};

/**
 * The cloud's HTTP surface: regions push summaries, people and programs read the merged view.
 * Everything under `/api` wants the bearer token; the page itself holds no data.
 */
export function createApp(deps: AppDeps, config: { readonly token: string }): Hono {
  const app = new Hono();
  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        connectSrc: ["'self'"],
        imgSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
      referrerPolicy: 'no-referrer',
    }),
  );
  for (const [path, [file, type]] of Object.entries(PAGE_FILES)) {
    app.get(path, async (context) =>
      context.body(await readFile(join(PAGE, file), 'utf8'), 200, {
        'content-type': type,
        'cache-control': 'no-cache',
      }),
    );
  }

  app.get('/healthz', (context) => context.json({ status: 'ok' }));
  app.use('/api/*', requireToken(config.token));
  app.get('/api/v1/regions', async (context) =>
    context.json(mergeRegions(await deps.store.all(), deps.clock.wallMs())),
  );
  app.post(
    '/api/v1/regions/:region/summary',
    bodyLimit({
      maxSize: MAX_SUMMARY_BYTES,
      onError: (context) =>
        problem(context, 413, 'too-large', `a summary is at most ${MAX_SUMMARY_BYTES} bytes`),
    }),
    async (context) => {
      const region = RegionId.safeParse(context.req.param('region'));
      const summary = RegionSummary.safeParse(await context.req.json().catch(() => undefined));
      if (!region.success) return problem(context, 400, 'invalid-region', z.prettifyError(region.error));
      if (!summary.success) return problem(context, 400, 'invalid-summary', z.prettifyError(summary.error));
      if (summary.data.region !== region.data)
        return problem(
          context,
          400,
          'region-mismatch',
          `the summary is of region "${summary.data.region}", the path says "${region.data}"`,
        );
      const kept = await deps.store.put({ summary: summary.data, receivedAtMs: deps.clock.wallMs() });
      if (kept) deps.onNews();
      return context.json({ kept });
    },
  );
  app.notFound((context) => problem(context, 404, 'not-found', `nothing at ${context.req.path}`));
  app.onError((error, context) => {
    deps.logger.error({ error: describeError(error), path: context.req.path }, 'a request failed');
    return problem(context, 503, 'unavailable', 'the cloud cannot answer now; try again');
  });
  return app;
}

function requireToken(token: string): MiddlewareHandler {
  const wanted = sha256(`Bearer ${token}`);
  return async (context, next) => {
    if (!timingSafeEqual(sha256(context.req.header('authorization') ?? ''), wanted)) {
      return problem(context, 401, 'unauthorized', 'present the bearer token of this cloud', {
        'www-authenticate': 'Bearer',
      });
    }
    await next();
  };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** @see RFC 9457 */
function problem(
  context: Parameters<MiddlewareHandler>[0],
  status: 400 | 401 | 404 | 413 | 503,
  type: string,
  detail: string,
  headers: Record<string, string> = {},
): Response {
  return context.body(JSON.stringify({ type: `urn:millwright:${type}`, status, detail }), status, {
    ...headers,
    'content-type': 'application/problem+json',
  });
}
