import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { TestServer } from '../postgres/test-server.fixture.ts';
import { Database } from '../store/database.ts';
import { Access } from './access.ts';
import { EnrolmentTokens } from './enrolment-tokens.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('access', () => {
  let server: TestServer;
  let clock: MemoryClock;
  let database: Database;
  let access: Access;
  beforeAll(async () => {
    server = await TestServer.start();
  }, 60_000);
  afterAll(() => server.stop());
  beforeEach(async () => {
    clock = new MemoryClock();
    database = new Database(
      { url: await server.newDatabase(), connections: 2 },
      { logger: new MemoryLogger() },
    );
    await database.start();
    access = new Access({ clock, database });
    await access.start();
  });
  afterEach(() => database.stop());

  /** Another process on the same data. */
  const reopened = async () => {
    const again = new Access({ clock, database });
    await again.start();
    return again;
  };
  const signedIn = async () => {
    const { code } = await access.newCode();
    const done = await access.signIn(code);
    if (done === null) throw new TypeError('the code was refused');
    return done;
  };

  test('is given to the token that was set, until another takes its name', async () => {
    await access.setToken('api-token', 'engineer', 'first');
    expect(access.byToken('first')).toEqual({ name: 'api-token', role: 'engineer' });
    expect((await reopened()).byToken('first')).toEqual({ name: 'api-token', role: 'engineer' });
    await access.setToken('api-token', 'viewer', 'second');
    for (const each of [access, await reopened()]) {
      expect(each.byToken('first')).toBeNull();
      expect(each.byToken('second')).toEqual({ name: 'api-token', role: 'viewer' });
    }
    expect(access.byToken('')).toBeNull();
  });

  test('is given once for a sign-in code, within 15 minutes', async () => {
    const { code, expiresAtMs } = await access.newCode();
    expect(expiresAtMs).toBe(clock.wallMs() + 15 * MINUTE);
    expect(await access.signIn('wrong')).toBeNull();
    expect(await (await reopened()).signIn(code)).toMatchObject({
      session: { principal: { role: 'engineer' } },
    });
    expect(await access.signIn(code)).toBeNull();
    const late = await access.newCode();
    await clock.advance(15 * MINUTE + 1);
    expect(await access.signIn(late.code)).toBeNull();
  });

  test('goes to one of two who use a code at once', async () => {
    const { code } = await access.newCode();
    const results = await Promise.all([access.signIn(code), access.signIn(code), access.signIn(code)]);
    expect(results.filter((result) => result !== null)).toHaveLength(1);
  });

  test('is kept by a session that is used, for seven days at most', async () => {
    const { secret } = await signedIn();
    const startMs = clock.wallMs();
    for (let hours = 0; hours < 24 * 7; hours += 7) {
      expect(await access.bySession(secret)).toMatchObject({ principal: { name: 'owner' } });
      await clock.advance(7 * HOUR);
    }
    expect(clock.wallMs()).toBe(startMs + 7 * 24 * HOUR);
    await clock.advance(1);
    expect(await access.bySession(secret)).toBeNull();
  });

  test('is lost by a session that rests for eight hours, also over a restart', async () => {
    const { secret } = await signedIn();
    await clock.advance(7 * HOUR);
    expect(await (await reopened()).bySession(secret)).not.toBeNull();
    await clock.advance(8 * HOUR + 1);
    expect(await (await reopened()).bySession(secret)).toBeNull();
    expect(await access.bySession(secret)).toBeNull();
  });

  test('ends with signing out, for every process within a minute', async () => {
    const { secret } = await signedIn();
    const other = await reopened();
    expect(await other.bySession(secret)).not.toBeNull();
    await access.signOut(secret);
    expect(await access.bySession(secret)).toBeNull();
    await clock.advance(MINUTE);
    expect(await other.bySession(secret)).toBeNull();
    expect(await access.bySession('never given')).toBeNull();
  });

  test('is not lost because the database is away', async () => {
    const { secret } = await signedIn();
    await clock.advance(2 * MINUTE);
    await database.stop();
    expect(await access.bySession(secret)).toMatchObject({ principal: { name: 'owner' } });
    await database.start();
  });

  test('is kept in the database as digests only', async () => {
    const { code } = await access.newCode();
    const { secret } = await signedIn();
    await access.setToken('api-token', 'engineer', 'the-bearer-token');
    const rows = await Promise.all([
      database.read.selectFrom('sign_in_codes').selectAll().execute(),
      database.read.selectFrom('sessions').selectAll().execute(),
      database.read.selectFrom('api_tokens').selectAll().execute(),
    ]);
    const text = JSON.stringify(rows);
    for (const hidden of [code, secret, 'the-bearer-token']) expect(text).not.toContain(hidden);
  });

  test('of gateways: enrolment tokens are listed newest first without their secret, and revoked', async () => {
    const regionPeer = `12D3KooW${'A'.repeat(44)}`;
    const tokens = new EnrolmentTokens({ clock, database, regionPeer });
    const create = async (site: string) => {
      await clock.advance(1);
      return tokens.create({ site: site as never, expiresInMs: HOUR, uses: 2, createdBy: 'owner' });
    };
    const first = await create('north');
    const second = await create('south');
    expect(first.token).toContain(regionPeer);
    expect(await tokens.list({ limit: 1 })).toEqual({
      items: [
        {
          id: second.id,
          site: 'south',
          createdAtMs: clock.wallMs(),
          createdBy: 'owner',
          expiresAtMs: clock.wallMs() + HOUR,
          uses: 2,
          usesLeft: 2,
          usedBy: [],
        },
      ],
      next: expect.any(String),
    });
    expect(JSON.stringify(await tokens.list({ limit: 9 }))).not.toContain(first.token.slice(-20));
    expect(await tokens.revoke(first.id)).toBe(true);
    expect(await tokens.revoke(first.id)).toBe(false);
    expect((await tokens.list({ limit: 9 })).items.map(({ id }) => id)).toEqual([second.id]);
  });
});
