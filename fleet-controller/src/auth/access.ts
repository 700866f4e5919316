import type { Clock, Lifecycle, Principal } from '@millwright/protocol';
import type { Database } from '../store/database.ts';
import { onDatabase } from '../store/errors.ts';
import { digestOf, newSecret } from './secret.ts';

const CODE_LIVES_MS = 15 * 60_000;
const SESSION_IDLE_MS = 8 * 3_600_000;
const SESSION_LIVES_MS = 7 * 86_400_000;
/** The use of a session is noted at most this often. */
const NOTE_USE_EVERY_MS = 60_000;
const MAX_REMEMBERED = 1000;
/** Whoever holds the machine's terminal: sign-in links are given out there. */
const OWNER: Principal = { name: 'owner', role: 'engineer' };

/** A signed-in browser. */
export interface Session {
  readonly principal: Principal;
  readonly expiresAtMs: number;
}

interface KnownSession {
  readonly principal: Principal;
  readonly startedAtMs: number;
  usedAtMs: number;
  readAtMs: number;
}

/** Who may call the API: bearer tokens for programs, one-time codes and sessions for people. Only digests are kept. */
export class Access implements Lifecycle {
  readonly #clock: Clock;
  readonly #database: Database;
  readonly #tokens = new Map<string, Principal>();
  /** Spares a query per request, and keeps people signed in while the database is away. */
  readonly #sessions = new Map<string, KnownSession>();

  constructor(deps: { readonly clock: Clock; readonly database: Database }) {
    this.#clock = deps.clock;
    this.#database = deps.database;
  }

  async start(): Promise<void> {
    await onDatabase(async () => {
      await this.#database.write
        .insertInto('users')
        .values(OWNER)
        .onConflict((conflict) => conflict.column('name').doNothing())
        .execute();
      const rows = await this.#database.write.selectFrom('api_tokens').selectAll().execute();
      for (const { digest, name, role } of rows) this.#tokens.set(digest, { name, role });
    });
  }

  async stop(): Promise<void> {
    this.#tokens.clear();
    this.#sessions.clear();
  }

  /** Makes `secret` the token called `name`; one of that name from before is void. */
  async setToken(name: string, role: Principal['role'], secret: string): Promise<void> {
    const digest = digestOf(secret);
    await onDatabase(() =>
      this.#database.write
        .insertInto('api_tokens')
        .values({ name, role, digest, created_at_ms: this.#clock.wallMs() })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ role, digest }))
        .execute(),
    );
    for (const [known, principal] of this.#tokens) if (principal.name === name) this.#tokens.delete(known);
    this.#tokens.set(digest, { name, role });
  }

  byToken(secret: string): Principal | null {
    return this.#tokens.get(digestOf(secret)) ?? null;
  }

  /** A code that signs one browser in, once, within 15 minutes. */
  async newCode(): Promise<{ readonly code: string; readonly expiresAtMs: number }> {
    const code = newSecret();
    const nowMs = this.#clock.wallMs();
    const expiresAtMs = nowMs + CODE_LIVES_MS;
    await this.#database.transaction(async (trx) => {
      await trx.deleteFrom('sign_in_codes').where('expires_at_ms', '<', nowMs).execute();
      await trx
        .insertInto('sign_in_codes')
        .values({ digest: digestOf(code), user_name: OWNER.name, expires_at_ms: expiresAtMs })
        .execute();
    });
    return { code, expiresAtMs };
  }

  /** @returns null when the code is wrong, used or old */
  async signIn(code: string): Promise<{ readonly secret: string; readonly session: Session } | null> {
    const nowMs = this.#clock.wallMs();
    const secret = newSecret();
    const principal = await this.#database.transaction(async (trx): Promise<Principal | null> => {
      const used = await trx
        .deleteFrom('sign_in_codes')
        .where('digest', '=', digestOf(code))
        .returning(['user_name', 'expires_at_ms'])
        .executeTakeFirst();
      if (used === undefined || used.expires_at_ms < nowMs) return null;
      const user = await trx
        .selectFrom('users')
        .selectAll()
        .where('name', '=', used.user_name)
        .executeTakeFirstOrThrow();
      await trx
        .deleteFrom('sessions')
        .where((eb) =>
          eb.or([
            eb('used_at_ms', '<', nowMs - SESSION_IDLE_MS),
            eb('started_at_ms', '<', nowMs - SESSION_LIVES_MS),
          ]),
        )
        .execute();
      await trx
        .insertInto('sessions')
        .values({
          digest: digestOf(secret),
          user_name: user.name,
          started_at_ms: nowMs,
          used_at_ms: nowMs,
        })
        .execute();
      return user;
    });
    if (principal === null) return null;
    const known = { principal, startedAtMs: nowMs, usedAtMs: nowMs, readAtMs: nowMs };
    this.#remember(digestOf(secret), known);
    return { secret, session: { principal, expiresAtMs: expiryOf(known) } };
  }

  /** @returns null when there is no such session, or not any more. Using it prolongs it. */
  async bySession(secret: string): Promise<Session | null> {
    const digest = digestOf(secret);
    const nowMs = this.#clock.wallMs();
    const known = await this.#session(digest, nowMs);
    if (known === null) return null;
    if (expiryOf(known) < nowMs) {
      await this.#end(digest);
      return null;
    }
    if (nowMs - known.usedAtMs >= NOTE_USE_EVERY_MS) {
      known.usedAtMs = nowMs;
      // A database that is away must not sign anyone out; the use is noted again in a minute.
      await this.#noteUse(digest, nowMs).catch(() => undefined);
    }
    return { principal: known.principal, expiresAtMs: expiryOf(known) };
  }

  async signOut(secret: string): Promise<void> {
    await this.#end(digestOf(secret));
  }

  async #session(digest: string, nowMs: number): Promise<KnownSession | null> {
    const known = this.#sessions.get(digest);
    if (known !== undefined && nowMs - known.readAtMs < NOTE_USE_EVERY_MS) return known;
    try {
      const row = await onDatabase(() =>
        this.#database.read
          .selectFrom('sessions')
          .innerJoin('users', 'users.name', 'sessions.user_name')
          .select(['users.name', 'users.role', 'started_at_ms', 'used_at_ms'])
          .where('digest', '=', digest)
          .executeTakeFirst(),
      );
      this.#sessions.delete(digest);
      if (row === undefined) return null;
      const fresh = {
        principal: { name: row.name, role: row.role },
        startedAtMs: row.started_at_ms,
        usedAtMs: row.used_at_ms,
        readAtMs: nowMs,
      };
      this.#remember(digest, fresh);
      return fresh;
    } catch (error) {
      if (known !== undefined) return known;
      throw error;
    }
  }

  #remember(digest: string, session: KnownSession): void {
    if (this.#sessions.size >= MAX_REMEMBERED) {
      const [oldest] = this.#sessions.keys();
      if (oldest !== undefined) this.#sessions.delete(oldest);
    }
    this.#sessions.set(digest, session);
  }

  async #noteUse(digest: string, nowMs: number): Promise<void> {
    await this.#database.write
      .updateTable('sessions')
      .set({ used_at_ms: nowMs })
      .where('digest', '=', digest)
      .execute();
  }

  async #end(digest: string): Promise<void> {
    this.#sessions.delete(digest);
    await onDatabase(() =>
      this.#database.write.deleteFrom('sessions').where('digest', '=', digest).execute(),
    );
  }
}

function expiryOf(session: KnownSession): number {
  return Math.min(session.usedAtMs + SESSION_IDLE_MS, session.startedAtMs + SESSION_LIVES_MS);
}
