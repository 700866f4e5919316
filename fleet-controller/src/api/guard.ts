import { isIP } from 'node:net';
import type { Principal } from '@millwright/protocol';
import type { Context, MiddlewareHandler } from 'hono';
import { getCookie } from 'hono/cookie';
import { secureHeaders } from 'hono/secure-headers';
import type { ApiConfig, ApiDeps, ApiEnv, Caller } from './environment.ts';
import { problem } from './problem.ts';

export const CSRF_HEADER = 'x-millwright-csrf';
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);
const RANKS: Readonly<Record<Principal['role'], number>> = { viewer: 0, operator: 1, engineer: 2 };

/** Cookies know no ports: two regions of one machine need two names. */
export function cookieName(config: ApiConfig): string {
  const prefix = isHttps(config) ? '__Host-' : '';
  return `${prefix}millwright_session_${config.region}`;
}

export function isHttps(config: ApiConfig): boolean {
  return config.publicUrl.startsWith('https:');
}

/** Everything comes from this origin; nothing inline, no frames, no plug-ins. */
export function securityHeaders(config: ApiConfig): MiddlewareHandler {
  return secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'self'"],
      imgSrc: ["'self'", 'data:'],
      objectSrc: ["'none'"],
      baseUri: ["'none'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
    },
    xFrameOptions: 'DENY',
    referrerPolicy: 'no-referrer',
    crossOriginOpenerPolicy: 'same-origin',
    crossOriginResourcePolicy: 'same-origin',
    strictTransportSecurity: isHttps(config) ? 'max-age=31536000' : false,
  });
}

/**
 * Refuses names that are not ours: a page whose name is pointed at this machine (DNS rebinding) would otherwise be of
 * our origin. Addresses cannot be pointed anywhere, so all of them will do.
 */
export function hostCheck(config: ApiConfig): MiddlewareHandler {
  const names = new Set(['localhost', new URL(config.publicUrl).hostname, ...config.hosts]);
  return async (context, next) => {
    const name = hostName(context.req.header('host'));
    if (name !== undefined && (isIP(name) > 0 || names.has(name))) return next();
    return problem(
      context,
      421,
      'HOST_UNKNOWN',
      `host: this region is not called "${name ?? ''}"`,
      'add the name to http.hosts in region.yaml',
    );
  };
}

function hostName(host: string | undefined): string | undefined {
  const url = host === undefined ? null : URL.parse(`http://${host}`);
  return url?.hostname.replace(/^\[(.*)\]$/, '$1');
}

/** Lets in who has a valid token or session, and a session's changes only from our own pages. */
export function guard(deps: ApiDeps, config: ApiConfig): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    const isExchange = context.req.path === '/api/v1/session' && context.req.method === 'POST';
    if (isExchange) return refuseForeign(context, config) ?? next();
    const caller = await callerOf(context, deps, config);
    if (caller === null) {
      return problem(
        context,
        401,
        'SIGN_IN',
        'no valid token or session came with the request',
        'send "Authorization: Bearer <token>" with the token in <state>/api-token, or open a new sign-in link',
      );
    }
    if (caller.session !== undefined && !SAFE_METHODS.has(context.req.method)) {
      const refusal = refuseForeign(context, config);
      if (refusal !== undefined) return refusal;
    }
    context.set('caller', caller);
    return next();
  };
}

/** @returns an answer when the caller's role is too low */
export function requireRole(context: Context<ApiEnv>, role: Principal['role']) {
  const { principal } = context.var.caller;
  if (RANKS[principal.role] >= RANKS[role]) return undefined;
  return problem(
    context,
    403,
    'ROLE',
    `this needs the role "${role}"; ${principal.name} is "${principal.role}"`,
  );
}

async function callerOf(
  context: Context<ApiEnv>,
  { access }: ApiDeps,
  config: ApiConfig,
): Promise<Caller | null> {
  const bearer = /^Bearer +(\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1];
  if (bearer !== undefined) {
    const principal = access.byToken(bearer);
    return principal === null ? null : { principal };
  }
  const secret = getCookie(context, cookieName(config));
  if (secret === undefined) return null;
  const session = await access.bySession(secret);
  if (session === null) return null;
  return { principal: session.principal, session: { secret, expiresAtMs: session.expiresAtMs } };
}

/** A cookie is sent whoever wrote the page; this header and origin only by our own. */
function refuseForeign(context: Context<ApiEnv>, config: ApiConfig) {
  const origin = context.req.header('origin');
  const ours = [
    `http://${context.req.header('host')}`,
    `https://${context.req.header('host')}`,
    config.publicUrl,
  ];
  if (context.req.header(CSRF_HEADER) === '1' && origin !== undefined && ours.includes(origin))
    return undefined;
  return problem(
    context,
    403,
    'FOREIGN_ORIGIN',
    `origin: a change by cookie needs the header ${CSRF_HEADER}: 1 and an Origin of this host`,
  );
}
