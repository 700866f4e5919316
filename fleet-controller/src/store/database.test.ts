import { MemoryLogger } from '@millwright/protocol/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TEST_SERVERS, TestServer } from '../postgres/test-server.fixture.ts';
import { byteaArray, float8Array, int2Array, int4Array, int8Array, textArray } from './binary-arrays.ts';
import { Database } from './database.ts';
import { databaseError } from './errors.ts';

for (const { name, binaries } of TEST_SERVERS) {
  describe(`the database, on ${name}`, () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await TestServer.start(binaries);
    }, 60_000);
    afterAll(() => server.stop());

    const open = async (url: string) => {
      const database = new Database({ url, connections: 2 }, { logger: new MemoryLogger() });
      await database.start();
      return database;
    };

    test('has its tables after the first start and keeps them over the next', async () => {
      await server.admin('create database fresh');
      const url = (await server.newDatabase()).replace(/test_\d+/, 'fresh');
      const first = await open(url);
      await first.write.insertInto('users').values({ name: 'owner', role: 'viewer' }).execute();
      await first.stop();
      await first.stop();
      const second = await open(url);
      expect(await second.read.selectFrom('users').selectAll().execute()).toEqual([
        { name: 'owner', role: 'viewer' },
      ]);
      await second.stop();
    });

    test('may be made by two starters at once', async () => {
      await server.admin('create database contested');
      const url = (await server.newDatabase()).replace(/test_\d+/, 'contested');
      const both = await Promise.all([open(url), open(url)]);
      await Promise.all(both.map((database) => database.stop()));
    });

    test.each([
      ['wrong password', (url: string) => url.replace(/:[^:@]+@/, ':wrong@'), 'DATABASE_REFUSED', /password/],
      ['unknown name', (url: string) => url.replace(/test_\d+/, 'nowhere'), 'DATABASE_REFUSED', /nowhere/],
      ['no server', () => 'postgresql://a:b@127.0.0.1:1/c', 'DATABASE_AWAY', /ECONNREFUSED/],
    ])('that cannot be opened says why: %s', async (_, spoil, code, words) => {
      await expect(open(spoil(await server.newDatabase()))).rejects.toMatchObject({
        code,
        message: expect.stringMatching(words),
      });
    });

    test('takes whole columns as parameters and gives them back as they were', async () => {
      const database = await open(await server.newDatabase());
      const { rows } = await sql<Record<string, unknown>>`
        select * from unnest(
          ${int4Array(Int32Array.of(1, -2, 0x7fff_ffff), 3)}::int4[],
          ${int8Array(Float64Array.of(0, -1, Number.MAX_SAFE_INTEGER), 3)}::int8[],
          ${int2Array(Uint8Array.of(0, 7, 255), 3)}::int2[],
          ${float8Array(Float64Array.of(-0.5, Number.NaN, Number.POSITIVE_INFINITY), 3)}::float8[],
          ${textArray(['', undefined, 'größer ☀ \\"{},'], 3)}::text[],
          ${byteaArray([Uint8Array.of(), Uint8Array.of(0, 255), Uint8Array.of(92)])}::bytea[]
        ) as t (i4, i8, i2, f8, txt, byt)`.execute(database.read);
      expect(rows).toEqual([
        { i4: 1, i8: 0, i2: 0, f8: -0.5, txt: '', byt: Buffer.of() },
        { i4: -2, i8: -1, i2: 7, f8: null, txt: null, byt: Buffer.of(0, 255) },
        {
          i4: 0x7fff_ffff,
          i8: Number.MAX_SAFE_INTEGER,
          i2: 255,
          f8: Number.POSITIVE_INFINITY,
          txt: 'größer ☀ \\"{},',
          byt: Buffer.of(92),
        },
      ]);
      const empty = await sql`select * from unnest(${int4Array(Int32Array.of(), 0)}::int4[])`.execute(
        database.read,
      );
      expect(empty.rows).toEqual([]);
      await database.stop();
    });

    test('survives the end of a connection in the middle of a transaction, and keeps nothing of it', async () => {
      const database = await open(await server.newDatabase());
      const cut = database.transaction(async (trx) => {
        await trx.insertInto('users').values({ name: 'half', role: 'viewer' }).execute();
        const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx);
        await server.admin(`select pg_terminate_backend(${rows[0]?.pid})`);
        await trx.insertInto('users').values({ name: 'other half', role: 'viewer' }).execute();
      });
      await expect(cut).rejects.toMatchObject({ code: 'DATABASE_AWAY', retry: 'backoff' });
      await expect.poll(() => database.isUp()).toBe(true);
      expect(await database.read.selectFrom('users').selectAll().execute()).toEqual([]);
      await database.stop();
    });

    test('tells what passes by itself from what does not', async () => {
      const database = await open(await server.newDatabase());
      const failure = async (statement: string) =>
        databaseError(
          await sql
            .raw(statement)
            .execute(database.read)
            .catch((error: unknown) => error),
        );
      expect(await failure('select pg_terminate_backend(pg_backend_pid())')).toMatchObject({
        code: 'DATABASE_AWAY',
        retry: 'backoff',
      });
      await expect.poll(() => database.isUp()).toBe(true);
      expect(await failure('select nonsense')).toMatchObject({ code: '42703' });
      await database.stop();
      expect(await database.isUp()).toBe(false);
    });
  });
}
