import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RegionConfig } from './config.ts';
import { isAlive } from './postgres/postmaster.ts';
import { TestServer, temporaryFolder } from './postgres/test-server.fixture.ts';
import { Region } from './region.ts';

describe('a region', { timeout: 60_000 }, () => {
  let state: string;
  let regions: Region[];
  beforeEach(async () => {
    state = await temporaryFolder();
    regions = [];
  });
  afterEach(async () => {
    for (const region of regions) await region.stop();
    await rm(state, { recursive: true, force: true });
  });

  const make = (config: object = {}) => {
    const parsed = RegionConfig.parse({ region: 'north', http: { port: 0 }, uplink: { port: 0 }, ...config });
    const region = new Region({ clock: systemClock, logger: new MemoryLogger() }, parsed, { state });
    regions.push(region);
    return region;
  };
  const ask = async (region: Region, path: string, token?: string) =>
    fetch(region.ready.http + path, {
      headers: {
        authorization: `Bearer ${token ?? (await readFile(region.ready.apiTokenFile, 'utf8')).trim()}`,
      },
    });

  test('starts on an empty folder with all it needs, and goes on from there', async () => {
    const first = make();
    await first.start();
    const { apiTokenFile, postgresPid, signInUrl, uplinkAddress, http } = first.ready;
    expect(http).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(uplinkAddress).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/12D3KooW/);
    expect(signInUrl.startsWith(`${http}/sign-in#code=`)).toBe(true);
    expect((await stat(apiTokenFile)).mode & 0o077).toBe(0);
    expect(await (await fetch(`${http}/healthz`)).json()).toMatchObject({ status: 'ok', region: 'north' });
    expect((await ask(first, '/api/v1/gateways')).status).toBe(200);
    const token = await readFile(apiTokenFile, 'utf8');
    await first.stop();
    expect(isAlive(postgresPid ?? 0)).toBe(false);

    const second = make();
    await second.start();
    expect(await readFile(second.ready.apiTokenFile, 'utf8')).toBe(token);
    expect(second.ready.uplinkAddress.split('/p2p/')[1]).toBe(uplinkAddress.split('/p2p/')[1]);
    expect((await ask(second, '/api/v1/gateways')).status).toBe(200);
  });

  test('takes the token it finds in its folder', async () => {
    await writeFile(join(state, 'api-token'), 'a-token-from-elsewhere\n', { mode: 0o600 });
    const region = make();
    await region.start();
    expect((await ask(region, '/api/v1/gateways', 'a-token-from-elsewhere')).status).toBe(200);
    expect((await ask(region, '/api/v1/gateways', 'another')).status).toBe(401);
  });

  test('uses the database it is given and starts none', async () => {
    const server = await TestServer.start();
    try {
      const region = make({ database: { url: await server.newDatabase() } });
      await region.start();
      expect(region.ready.postgresPid).toBeUndefined();
      expect((await ask(region, '/api/v1/devices')).status).toBe(200);
      await region.stop();
    } finally {
      await server.stop();
    }
  });

  test('tells the new pid when its database server was killed, and serves on', async () => {
    const region = make();
    await region.start();
    const before = region.ready.postgresPid ?? 0;
    const changed = new Promise<void>((resolve) => region.onChanged(resolve));
    process.kill(before, 'SIGKILL');
    await changed;
    expect(region.ready.postgresPid).not.toBe(before);
    await expect
      .poll(async () => (await ask(region, '/api/v1/devices')).status, { timeout: 20_000 })
      .toBe(200);
  });

  test.each(['http', 'uplink'] as const)(
    'names the port and its key when %s cannot listen, and leaves nothing running',
    async (key) => {
      const holder = createServer();
      await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
      const address = holder.address();
      const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
      try {
        const region = make({ [key]: { port } });
        await expect(region.start()).rejects.toMatchObject({
          code: 'PORT_BUSY',
          message: `${key}.port: port ${port} on 127.0.0.1 is in use`,
          hint: expect.stringContaining(`${key}.port`),
        });
        await expect(readFile(join(state, 'postgres', 'data', 'postmaster.pid'))).rejects.toThrow(/ENOENT/);
      } finally {
        await new Promise((resolve) => holder.close(resolve));
      }
    },
  );

  test('is stopped by being told so in the middle of its start', async () => {
    await mkdir(join(state, 'x'));
    const region = make();
    const asked = new AbortController();
    const starting = region.start({ signal: asked.signal });
    asked.abort(new Error('asked to stop'));
    await expect(starting).rejects.toThrow('asked to stop');
    await region.stop();
  });
});
