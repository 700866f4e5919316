import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import type { Clock } from '@millwright/protocol';
import type { Context, MiddlewareHandler } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import QuickLRU from 'quick-lru';
import type { AccessToken } from './access-token.ts';
import { problem } from './problem.ts';

const COOKIE = 'millwright_session';
const SESSION_MS = 12 * 3600 * 1000;
const MAX_SESSIONS = 50;

/**
 * Refuses requests for a name that is not this gateway's: a web page elsewhere that points its own name at this
 * address (DNS rebinding) sends that name. An address cannot be rebound.
 */
export function hostGuard(names: readonly string[]): MiddlewareHandler {
  const known = new Set(['localhost', ...names.map((name) => name.toLowerCase())]);
  return async (context, next) => {
    const name = hostName(context.req.header('host') ?? '');
    if (isIP(name) === 0 && !known.has(name)) {
      const detail = `this gateway is not called "${name.slice(0, 100)}"`;
      return problem(context, 421, 'HOST_UNKNOWN', detail, 'use its address, or add the name to http.names');
    }
    await next();
    return undefined;
  };
}

/** Bearer tokens for programs; for browsers a cookie that stands for one, in memory only. */
export class Door {
  readonly #token: AccessToken;
  readonly #isOpen: boolean;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #sessions = new QuickLRU<string, number>({ maxSize: MAX_SESSIONS });

  /** @param options.isOpen whether reading takes no token */
  constructor(
    deps: { readonly token: AccessToken; readonly clock: Pick<Clock, 'monotonicMs'> },
    options: { readonly isOpen: boolean },
  ) {
    this.#token = deps.token;
    this.#clock = deps.clock;
    this.#isOpen = options.isOpen;
  }

  isOpenTo(context: Context): boolean {
    return this.#isOpen || this.mayChange(context);
  }

  /** Whether who asks has shown the token. */
  mayChange(context: Context): boolean {
    const bearer = /^Bearer +(\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1];
    if (bearer !== undefined) return this.#token.matches(bearer);
    const session = getCookie(context, COOKIE);
    return session !== undefined && (this.#sessions.get(session) ?? 0) > this.#clock.monotonicMs();
  }

  /** Gives the browser a session. @returns false for a wrong token */
  signIn(context: Context, token: string): boolean {
    if (!this.#token.matches(token)) return false;
    const session = randomBytes(32).toString('base64url');
    this.#sessions.set(session, this.#clock.monotonicMs() + SESSION_MS);
    setCookie(context, COOKIE, session, {
      httpOnly: true,
      sameSite: 'Strict',
      path: '/',
      maxAge: SESSION_MS / 1000,
    });
    return true;
  }
}

function hostName(host: string): string {
  const name = host.startsWith('[') ? host.slice(1, host.indexOf(']')) : host.split(':', 1)[0];
  return (name ?? '').toLowerCase();
}
