import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { EmbeddedPostgres, type EmbeddedPostgresOptions } from './embedded-postgres.ts';
import { isAlive } from './postmaster.ts';
import { serverUser } from './server-user.ts';
import { TEST_SERVERS, temporaryFolder } from './test-server.fixture.ts';

const WITHIN = { timeout: 20_000, interval: 20 };

for (const { name, binaries } of TEST_SERVERS) {
  describe(`a server of our own, ${name}`, { timeout: 60_000 }, () => {
    let state: string;
    let logger: MemoryLogger;
    let servers: EmbeddedPostgres[];

    beforeEach(async () => {
      state = await temporaryFolder();
      logger = new MemoryLogger();
      servers = [];
    });
    afterEach(async () => {
      await Promise.all(servers.map((server) => server.stop()));
      await rm(state, { recursive: true, force: true });
    });

    const make = (options: Partial<EmbeddedPostgresOptions> = {}) => {
      const server = new EmbeddedPostgres(
        {
          state,
          database: 'region',
          scratch: true,
          ...(binaries === undefined ? {} : { binaries }),
          ...options,
        },
        { clock: systemClock, logger },
      );
      servers.push(server);
      return server;
    };
    const said = (level: string) =>
      logger.lines.filter((line) => line.level === level).map(({ message }) => message);

    test('is made at the first start and keeps its data over the next', async () => {
      const first = make();
      await first.start();
      await first.start();
      await query(first.url, 'create table kept (v int); insert into kept values (7)');
      const { url } = first;
      await first.stop();
      await first.stop();
      const second = make();
      await second.start();
      expect(second.url).toBe(url);
      expect(await query(second.url, 'select v from kept')).toEqual([{ v: 7 }]);
      expect(said('error')).toEqual([]);
    });

    test('is started again when it is killed, tells its new pid, and clients get on', async () => {
      const server = make();
      await server.start();
      const pool = new pg.Pool({ connectionString: server.url });
      pool.on('error', () => undefined);
      await pool.query('create table kept as select 7 as v');
      const restarted = new Promise<number>((resolve) => server.onRestarted(resolve));
      const before = pidOf(server);
      process.kill(before, 'SIGKILL');
      expect(await restarted).not.toBe(before);
      expect(pidOf(server)).toBe(await restarted);
      await vi.waitFor(
        async () => expect((await pool.query('select v from kept')).rows).toEqual([{ v: 7 }]),
        WITHIN,
      );
      await pool.end();
      expect(said('error')).toEqual(['the database server ended with SIGKILL; starting it again']);
      expect(said('info').at(-1)).toBe('the database server is up again');
    });

    test('is found and stopped in order when its controller was killed', async () => {
      const program = join(import.meta.dirname, 'orphan-server.fixture.ts');
      const controller = fork(program, [state, ...(binaries === undefined ? [] : [binaries.bin])]);
      const [told] = (await once(controller, 'message')) as [{ url: string; pid: number }];
      await query(told.url, 'create table kept as select 7 as v');
      const gone = once(controller, 'exit');
      controller.kill('SIGKILL');
      await gone;
      expect(isAlive(told.pid)).toBe(true);
      const server = make();
      await server.start();
      expect(isAlive(told.pid)).toBe(false);
      expect(pidOf(server)).not.toBe(told.pid);
      expect(await query(server.url, 'select v from kept')).toEqual([{ v: 7 }]);
      expect(said('info')).toContain('stopped the server that an earlier run left');
    });

    if (binaries !== undefined) return;

    test('may be stopped before it was started, and started after that', async () => {
      const server = make();
      await server.stop();
      await server.start();
      expect(await query(server.url, 'select 1 as v')).toEqual([{ v: 1 }]);
    });

    test('listens on a socket only its owner may use, with a password only its owner may read', async () => {
      const server = make();
      await server.start();
      expect(server.url).toContain(`host=${encodeURIComponent(join(state, 'postgres'))}`);
      expect(await query(server.url, 'show listen_addresses')).toEqual([{ listen_addresses: '' }]);
      expect((await stat(join(state, 'postgres'))).mode & 0o077).toBe(0);
      expect((await stat(join(state, 'postgres', 'password'))).mode & 0o077).toBe(0);
      const wrong = server.url.replace(/:[^:@]+@/, ':wrong@');
      await expect(query(wrong, 'select 1')).rejects.toThrow(/password authentication failed/);
    });

    test('listens on the loopback, at the same port each time, when asked to', async () => {
      const first = make({ tcp: true });
      await first.start();
      const { url } = first;
      expect(url).toMatch(/@127\.0\.0\.1:\d+\/region$/);
      expect(await query(url, 'show listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
      await first.stop();
      const second = make({ tcp: true });
      await second.start();
      expect(second.url).toBe(url);
      expect(await query(second.url, 'select 1 as v')).toEqual([{ v: 1 }]);
    });

    test('listens on the loopback when the path of a socket would be too long', async () => {
      const deep = join(state, 'a'.repeat(60), 'b'.repeat(40));
      const server = make({ state: deep });
      await server.start();
      expect(server.url).toContain('@127.0.0.1:');
    });

    test('is durable unless it is a scratch server', async () => {
      const server = make({ scratch: false });
      await server.start();
      const settings =
        "select name, setting from pg_settings where name in ('fsync', 'full_page_writes', 'synchronous_commit')";
      expect(await query(server.url, settings)).toEqual([
        { name: 'fsync', setting: 'on' },
        { name: 'full_page_writes', setting: 'on' },
        { name: 'synchronous_commit', setting: 'on' },
      ]);
    });

    test('does not mind files of a dead server whose pid is somebody else by now', async () => {
      const first = make();
      await first.start();
      await first.stop();
      // Of the server's own user: only such a process can keep PostgreSQL from starting.
      const other = spawn('sleep', ['60'], { stdio: 'ignore', ...(await serverUser(logger)) });
      try {
        const words = `${other.pid}\n${join(state, 'postgres', 'data')}\n1\n5432\n\n\n\nready\n`;
        await writeFile(join(state, 'postgres', 'data', 'postmaster.pid'), words);
        await writeFile(join(state, 'postgres', '.s.PGSQL.5432.lock'), words);
        const second = make();
        await second.start();
        expect(await query(second.url, 'select 1 as v')).toEqual([{ v: 1 }]);
        expect(isAlive(other.pid ?? 0)).toBe(true);
      } finally {
        other.kill();
      }
    });

    test('is not taken from a controller that lives', async () => {
      const first = make();
      await first.start();
      await expect(make().start()).rejects.toMatchObject({
        code: 'STATE_IN_USE',
        message: expect.stringContaining(`process ${process.pid}`),
      });
      expect(await query(first.url, 'select 1 as v')).toEqual([{ v: 1 }]);
    });

    test('refuses data of another major version', async () => {
      const first = make();
      await first.start();
      await first.stop();
      await writeFile(join(state, 'postgres', 'data', 'PG_VERSION'), '11\n');
      await expect(make().start()).rejects.toMatchObject({
        code: 'POSTGRES_VERSION',
        message: expect.stringContaining('PostgreSQL 11'),
      });
    });

    test('says in the server’s own words why it does not start', async () => {
      const first = make();
      await first.start();
      await first.stop();
      await writeFile(join(state, 'postgres', 'data', 'postgresql.conf'), 'no_such_setting = 1\n');
      await expect(make().start()).rejects.toMatchObject({
        code: 'POSTGRES_START',
        message: expect.stringContaining('no_such_setting'),
      });
    });

    test('makes its files anew when the first making was cut short', async () => {
      await mkdir(join(state, 'postgres', 'data.new', 'base'), { recursive: true });
      const server = make();
      await server.start();
      expect(await query(server.url, 'select 1 as v')).toEqual([{ v: 1 }]);
    });
  });
}

describe.runIf(process.getuid?.() === 0)('a server of our own, started by root', { timeout: 60_000 }, () => {
  test('keeps its data where its user can reach it, says so, and finds it again', async () => {
    const closed = await mkdtemp(join(tmpdir(), 'mw-closed-'));
    const state = join(closed, 'state');
    const logger = new MemoryLogger();
    const start = async () => {
      const server = new EmbeddedPostgres(
        { state, database: 'region', scratch: true },
        { clock: systemClock, logger },
      );
      await server.start();
      return server;
    };
    const first = await start();
    const place = (await readFile(join(state, 'postgres.place'), 'utf8')).trim();
    try {
      expect(place).toMatch(/^\/var\/lib\/millwright\/[0-9a-f]{12}\/postgres$/);
      expect((await stat(closed)).mode & 0o777).toBe(0o700);
      expect(logger.lines.map(({ message }) => message)).toContain(
        `the user "postgres" cannot reach ${state}: the database is kept in ${place}`,
      );
      await query(first.url, 'create table kept as select 7 as v');
      await first.stop();
      await chmod(closed, 0o755);
      const second = await start();
      try {
        expect(await query(second.url, 'select v from kept')).toEqual([{ v: 7 }]);
      } finally {
        await second.stop();
      }
    } finally {
      await first.stop();
      await rm(join(place, '..'), { recursive: true, force: true });
      await rm(closed, { recursive: true, force: true });
    }
  });
});

function pidOf(server: EmbeddedPostgres): number {
  const { pid } = server;
  if (pid === undefined) throw new TypeError('the server is down');
  return pid;
}

async function query(url: string, statement: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}
