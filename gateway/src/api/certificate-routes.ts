import { InvalidInputError } from '@millwright/protocol';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import type { Door } from './guard.ts';
import { problem } from './problem.ts';
import type { ApiSources } from './sources.ts';

const MAX_BODY_BYTES = 64 * 1024;

const CertificateChange = z.union([
  z.strictObject({ action: z.enum(['trust', 'remove']), thumbprint: z.string().min(8).max(100) }),
  z.strictObject({
    action: z.literal('import'),
    pem: z.string().min(1).max(MAX_BODY_BYTES),
    peer: z.enum(['server', 'client']).default('server'),
  }),
]);

/** Whom OPC UA trusts: seen by everybody who may read, changed only with the token. */
export function certificateRoutes({
  sources,
  door,
}: {
  readonly sources: Pick<ApiSources, 'opcuaTrust'>;
  readonly door: Door;
}): Hono {
  const app = new Hono();
  app.get('/certificates', async (context) =>
    context.json({ items: (await sources.opcuaTrust?.list()) ?? [] }),
  );
  app.post(
    '/certificates',
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: (context) => problem(context, 413, 'BODY_TOO_LARGE', 'the body is larger than 64 KiB'),
    }),
    async (context) => {
      if (!door.mayChange(context)) {
        context.header('WWW-Authenticate', 'Bearer realm="millwright"');
        const hint = "send the token in the gateway's state folder (api-token) as a bearer token";
        return problem(context, 401, 'UNAUTHORIZED', 'changing something takes the access token', hint);
      }
      return change(context, sources.opcuaTrust);
    },
  );
  return app;
}

async function change(context: Context, trust: ApiSources['opcuaTrust']): Promise<Response> {
  const isJson = /^application\/json\b/i.test(context.req.header('content-type') ?? '');
  const body: unknown = isJson ? await context.req.json().catch(() => undefined) : undefined;
  const parsed = CertificateChange.safeParse(body);
  if (!parsed.success || trust === undefined) {
    const detail =
      'send JSON: {"action": "trust" or "remove", "thumbprint"} or {"action": "import", "pem", "peer"}';
    return problem(context, 400, 'INVALID', detail);
  }
  const wish = parsed.data;
  try {
    if (wish.action === 'import') return context.json(await trust.import(Buffer.from(wish.pem), wish.peer));
    return context.json(await trust[wish.action](wish.thumbprint));
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    const status = error.code === 'CERTIFICATE_UNKNOWN' ? 404 : 400;
    return problem(context, status, error.code, error.message, error.hint);
  }
}
