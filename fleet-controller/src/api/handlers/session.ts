import { getConnInfo } from '@hono/node-server/conninfo';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { deleteCookie, setCookie } from 'hono/cookie';
import { RateLimit } from '../../uplink/rate-limit.ts';
import type { ApiConfig, ApiDeps, ApiEnv } from '../environment.ts';
import { cookieName, isHttps } from '../guard.ts';
import { problem } from '../problem.ts';
import * as routes from '../routes.ts';

const MINUTE_MS = 60_000;
/** 256 random bits cannot be guessed; this keeps the trying cheap for us. */
const TRIES_PER_CALLER = 10;
const TRIES_OF_ALL = 100;
const COOKIE_LIVES_S = 7 * 86_400;

/** Signing in and out of the console. */
export function serveSessions(api: OpenAPIHono<ApiEnv>, deps: ApiDeps, config: ApiConfig): void {
  const perCaller = new RateLimit(deps, { count: TRIES_PER_CALLER, perMs: MINUTE_MS });
  const ofAll = new RateLimit(deps, { count: TRIES_OF_ALL, perMs: MINUTE_MS });
  const cookie = {
    path: '/',
    httpOnly: true,
    sameSite: 'Strict',
    secure: isHttps(config),
  } as const;

  api.openapi(routes.createSession, async (context) => {
    if (!perCaller.allows(addressOf(context)) || !ofAll.allows('')) {
      return problem(context, 429, 'TOO_MANY_TRIES', 'too many sign-ins were tried; wait a minute');
    }
    const signedIn = await deps.access.signIn(context.req.valid('json').code);
    if (signedIn === null) {
      return problem(
        context,
        401,
        'CODE_INVALID',
        'the sign-in link is wrong, was used, or is older than 15 minutes',
        'make a new one: millwright region sign-in-link --state <state>',
      );
    }
    const { secret, session } = signedIn;
    setCookie(context, cookieName(config), secret, { ...cookie, maxAge: COOKIE_LIVES_S });
    const { name, role } = session.principal;
    return context.json({ user: name, role, region: config.region, expiresAtMs: session.expiresAtMs }, 200);
  });

  api.openapi(routes.getSession, (context) => {
    const { principal, session } = context.var.caller;
    return context.json(
      {
        user: principal.name,
        role: principal.role,
        region: config.region,
        expiresAtMs: session?.expiresAtMs ?? null,
      },
      200,
    );
  });

  api.openapi(routes.endSession, async (context) => {
    const { session } = context.var.caller;
    if (session !== undefined) await deps.access.signOut(session.secret);
    deleteCookie(context, cookieName(config), cookie);
    return context.body(null, 204);
  });

  api.openapi(routes.createSignInLink, async (context) => {
    if (context.var.caller.session !== undefined) {
      return problem(context, 403, 'BEARER_ONLY', 'sign-in links are made with the bearer token only');
    }
    const { code, expiresAtMs } = await deps.access.newCode();
    return context.json({ url: signInUrl(config, code), expiresAtMs }, 201);
  });
}

/** The code is in the fragment, which browsers send to nobody. */
export function signInUrl(config: Pick<ApiConfig, 'publicUrl'>, code: string): string {
  return new URL(`/sign-in#code=${code}`, config.publicUrl).href;
}

function addressOf(context: Context): string {
  return getConnInfo(context).remote.address ?? '';
}
