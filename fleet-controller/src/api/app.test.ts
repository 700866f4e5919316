import { request as httpRequest } from 'node:http';
import type { GatewayId } from '@millwright/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { TestServer } from '../postgres/test-server.fixture.ts';
import { TestApi, TOKEN } from './api.fixture.ts';

const PUMP = '/api/v1/devices/dev_hall.pump';
const CSRF = { 'x-millwright-csrf': '1' };

describe('the API of a region', () => {
  let server: TestServer;
  let api: TestApi;
  let gateway: GatewayId;
  beforeAll(async () => {
    server = await TestServer.start();
  }, 60_000);
  afterAll(() => server.stop());
  beforeEach(async () => {
    api = await TestApi.start(await server.newDatabase());
    gateway = await api.data.gateway('hall-1', [
      { point: 'bearing.temperature', unit: 'Cel' },
      { point: 'speed', unit: '%', writable: { range: [0, 10] } },
    ]);
    await api.data.devices(gateway, 'pump');
    api.data.live.connected(gateway, true);
  });
  afterEach(() => api.stop());

  async function signIn(): Promise<string> {
    const { code } = await api.access.newCode();
    const response = await exchange(code);
    return response.headers.get('set-cookie')?.split(';')[0] ?? '';
  }
  const exchange = (code: string, headers: Readonly<Record<string, string>> = { ...CSRF, origin: api.url }) =>
    fetch(`${api.url}/api/v1/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ code }),
    });

  describe('lets in', () => {
    test('nobody without a token or session, and says how to get one', async () => {
      for (const headers of [
        {},
        { authorization: 'Bearer wrong' },
        { cookie: 'millwright_session_north=wrong' },
      ]) {
        const response = await fetch(`${api.url}/api/v1/devices`, { headers });
        expect(response.status).toBe(401);
        expect(response.headers.get('content-type')).toBe('application/problem+json');
        expect(await response.json()).toMatchObject({
          status: 401,
          code: 'SIGN_IN',
          hint: expect.stringContaining('api-token'),
        });
      }
    });

    test('anybody to ask whether it is well, and for its description', async () => {
      const health = await fetch(`${api.url}/healthz`);
      expect(health.status).toBe(200);
      expect(await health.json()).toMatchObject({
        status: 'ok',
        database: 'up',
        region: 'north',
        version: '1.2.3',
      });
      const description = (await (await fetch(`${api.url}/openapi.json`)).json()) as { paths: object };
      expect(Object.keys(description.paths)).toContain('/api/v1/devices/{id}/points/{point}/history');
    });

    test('a browser that brings a sign-in code, once, and remembers it by a strict cookie', async () => {
      const { code } = await api.access.newCode();
      const response = await exchange(code);
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ user: 'owner', role: 'engineer', region: 'north' });
      const cookie = response.headers.get('set-cookie') ?? '';
      expect(cookie).toMatch(/^millwright_session_north=[\w-]{43};/);
      for (const part of ['HttpOnly', 'SameSite=Strict', 'Path=/']) expect(cookie).toContain(part);
      expect(cookie).not.toContain('Secure');
      const session = await fetch(`${api.url}/api/v1/session`, {
        headers: { cookie: cookie.split(';')[0] ?? '' },
      });
      expect(await session.json()).toMatchObject({ user: 'owner', expiresAtMs: expect.any(Number) });
      expect((await exchange(code)).status).toBe(401);
    });

    test('the code only from its own page', async () => {
      const { code } = await api.access.newCode();
      for (const headers of [{}, CSRF, { ...CSRF, origin: 'http://evil.example' }, { origin: api.url }]) {
        expect((await exchange(code, headers)).status).toBe(403);
      }
      expect((await exchange(code)).status).toBe(200);
    });

    test('no one who keeps trying codes', async () => {
      const answers: number[] = [];
      for (let at = 0; at < 12; at++) answers.push((await exchange(`${'wrong'.repeat(5)}${at}`)).status);
      expect(answers.slice(0, 10)).toEqual(new Array(10).fill(401));
      expect(answers.slice(10)).toEqual([429, 429]);
    });

    test('changes by cookie only from its own page', async () => {
      const cookie = await signIn();
      const write = (headers: Readonly<Record<string, string>>) =>
        fetch(`${api.url}${PUMP}/points/speed/write`, {
          method: 'POST',
          headers: { cookie, 'content-type': 'application/json', ...headers },
          body: '{"value":5}',
        });
      expect((await write({})).status).toBe(403);
      expect((await write({ ...CSRF, origin: 'http://evil.example' })).status).toBe(403);
      expect((await write({ ...CSRF, origin: 'null' })).status).toBe(403);
      expect(api.gateways.commands).toEqual([]);
      expect((await write({ ...CSRF, origin: api.url })).status).toBe(200);
    });

    test('nobody who signed out', async () => {
      const cookie = await signIn();
      const end = await fetch(`${api.url}/api/v1/session`, {
        method: 'DELETE',
        headers: { cookie, ...CSRF, origin: api.url },
      });
      expect(end.status).toBe(204);
      expect((await fetch(`${api.url}/api/v1/devices`, { headers: { cookie } })).status).toBe(401);
    });

    test('a viewer to look and not to touch', async () => {
      const viewer = { authorization: 'Bearer the-token-of-a-viewer' };
      expect((await api.get(PUMP, viewer)).status).toBe(200);
      expect((await api.send('POST', `${PUMP}/points/speed/write`, { value: 1 }, viewer)).status).toBe(403);
      expect((await api.send('POST', '/api/v1/enrolment-tokens', { site: 'hall' }, viewer)).status).toBe(403);
      expect((await api.get('/api/v1/enrolment-tokens', viewer)).status).toBe(403);
      expect(api.gateways.commands).toEqual([]);
    });

    test('only names that are its own, and every address', async () => {
      expect(await statusOf(api.url, 'north.example:80')).toBe(200);
      expect(await statusOf(api.url, 'localhost')).toBe(200);
      expect(await statusOf(api.url, '[::1]:7300')).toBe(200);
      expect(await statusOf(api.url, '10.0.0.7')).toBe(200);
      expect(await statusOf(api.url, 'evil.example')).toBe(421);
      expect(await statusOf(api.url, 'north.example.evil.example')).toBe(421);
    });
  });

  test('hands out a new sign-in link to the bearer of the token, not to a session', async () => {
    const answer = await api.send('POST', '/api/v1/sign-in-links');
    expect(answer.status).toBe(201);
    const { url } = (await answer.json()) as { url: string };
    expect(url.startsWith(`${api.url}/sign-in#code=`)).toBe(true);
    expect((await exchange(url.split('code=')[1] ?? '')).status).toBe(200);
    const cookie = await signIn();
    const refused = await fetch(`${api.url}/api/v1/sign-in-links`, {
      method: 'POST',
      headers: { cookie, ...CSRF, origin: api.url },
    });
    expect(refused.status).toBe(403);
  });

  test('serves behind https with cookies that never leave it', async () => {
    const secure = await TestApi.start(await server.newDatabase(), { publicUrl: 'https://north.example' });
    try {
      const { code } = await secure.access.newCode();
      const response = await fetch(`${secure.url}/api/v1/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...CSRF, origin: 'https://north.example' },
        body: JSON.stringify({ code }),
      });
      expect(response.headers.get('set-cookie')).toMatch(/^__Host-millwright_session_north=.*; Secure/);
      expect(response.headers.get('strict-transport-security')).toBe('max-age=31536000');
    } finally {
      await secure.stop();
    }
  });

  test('lists gateways and devices and shows a device with its points', async () => {
    const now = api.data.clock.wallMs();
    await api.data.storeSamples(gateway, [[0, now, 61.5]]);
    api.data.sendLive(gateway, [[1, now, 3]]);
    const gateways = (await (await api.get('/api/v1/gateways')).json()) as { items: unknown[] };
    expect(gateways.items).toEqual([
      expect.objectContaining({ id: gateway, name: 'hall-1', online: true, devices: 1 }),
    ]);
    const devices = (await (await api.get('/api/v1/devices')).json()) as { items: unknown[]; next: null };
    expect(devices).toEqual({
      items: [expect.objectContaining({ id: 'dev_hall.pump', driver: 'modbus', gateway, online: true })],
      next: null,
    });
    const device = await (await api.get(PUMP)).json();
    expect(device).toMatchObject({
      id: 'dev_hall.pump',
      points: [
        {
          id: 'bearing.temperature',
          v: 61.5,
          q: 'good',
          unit: 'Cel',
          tSource: now,
          tGateway: now + 5,
          writable: null,
        },
        { id: 'speed', v: 3, writable: { range: [0, 10] } },
      ],
    });
  });

  test('serves history of a point with a dot in its name, by any way of writing times', async () => {
    const now = api.data.clock.wallMs();
    await api.data.storeSamples(gateway, [[0, now - 1000, 61.5]]);
    const iso = new Date(now - 60_000).toISOString();
    for (const query of [
      `from=${iso}`,
      `from=${now - 60_000}&to=${now}`,
      `from=${iso}&step=raw`,
      `from=${iso}&step=0`,
    ]) {
      const history = await (await api.get(`${PUMP}/points/bearing.temperature/history?${query}`)).json();
      expect(history).toMatchObject({ step: 0, source: 'frames', points: [{ t: now - 1000, v: 61.5 }] });
    }
    const buckets = await (
      await api.get(`${PUMP}/points/bearing.temperature/history?from=${iso}&step=1h`)
    ).json();
    expect(buckets).toMatchObject({ step: 3_600_000, source: 'rollup', points: [{ mean: 61.5, count: 1 }] });
  });

  test('asks a gateway to acknowledge or shelve an alarm, in the name of the caller', async () => {
    const hi = `${PUMP}/points/speed/alarms/hi`;
    const answer = await api.send('POST', `${hi}/shelve`, { reason: 'repair', forMs: 60_000 });
    expect(await answer.json()).toMatchObject({ result: 'done' });
    expect(api.gateways.alarms).toMatchObject([
      {
        ...{ device: 'pump', point: 'speed', alarm: 'hi', action: 'shelve', reason: 'repair', forMs: 60_000 },
        by: { name: 'api-token', role: 'engineer' },
      },
    ]);
    expect((await api.send('POST', `${hi}/forget`, {})).status).toBe(400);
    const viewer = { authorization: 'Bearer the-token-of-a-viewer' };
    expect((await api.send('POST', `${hi}/acknowledge`, {}, viewer)).status).toBe(403);
    const nowhere = hi.replace('pump', 'ghost');
    expect((await api.send('POST', `${nowhere}/acknowledge`, {})).status).toBe(404);
    api.gateways.isAway = true;
    expect((await api.send('POST', `${hi}/acknowledge`, {})).status).toBe(503);
    api.gateways.isAway = false;
    expect(api.gateways.alarms).toHaveLength(1);
  });

  test('writes a point through its gateway and answers with the receipt', async () => {
    const done = await api.send('POST', `${PUMP}/points/speed/write`, { value: 7 });
    expect(done.status).toBe(200);
    expect(await done.json()).toMatchObject({ result: 'done', readBack: 7, code: null });
    expect(api.gateways.commands).toMatchObject([
      { device: 'pump', point: 'speed', value: 7, by: { name: 'api-token', role: 'engineer' } },
    ]);
    await api.send('POST', `${PUMP}/points/speed/write`, { value: 8, dryRun: true });
    expect(api.gateways.commands.map(({ dryRun }) => dryRun)).toEqual([undefined, true]);
    const refused = await api.send('POST', `${PUMP}/points/speed/write`, { value: 70 });
    expect(await refused.json()).toMatchObject({ result: 'refused', code: 'OUT_OF_RANGE' });
    const kept = await api.data.database.read
      .selectFrom('commands')
      .selectAll()
      .orderBy('issued_at_ms')
      .execute();
    expect(kept.map(({ by_name, value, result }) => [by_name, value, result])).toEqual(
      expect.arrayContaining([
        ['api-token', 7, 'done'],
        ['api-token', 70, 'refused'],
      ]),
    );
  });

  test('says that nothing was sent when the gateway is away', async () => {
    api.gateways.isAway = true;
    const response = await api.send('POST', `${PUMP}/points/speed/write`, { value: 7 });
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      code: 'GATEWAY_OFFLINE',
      detail: expect.stringContaining('nothing was sent'),
    });
    const [kept] = await api.data.database.read.selectFrom('commands').selectAll().execute();
    expect(kept).toMatchObject({ result: 'refused', code: 'GATEWAY_OFFLINE' });
  });

  test('issues, lists and revokes enrolment tokens', async () => {
    const created = await api.send('POST', '/api/v1/enrolment-tokens', { site: 'hall', expiresInMs: 60_000 });
    expect(created.status).toBe(201);
    const { id, token } = (await created.json()) as { id: string; token: string };
    expect(token).toMatch(/^mwt1\./);
    const listed = (await (await api.get('/api/v1/enrolment-tokens')).json()) as { items: unknown[] };
    expect(listed.items).toContainEqual(expect.objectContaining({ id, site: 'hall', usesLeft: 1 }));
    expect((await api.send('DELETE', `/api/v1/enrolment-tokens/${id}`)).status).toBe(204);
    expect((await api.send('DELETE', `/api/v1/enrolment-tokens/${id}`)).status).toBe(404);
  });

  test('answers the other questions of the console', async () => {
    for (const path of ['summary', 'gaps', 'alarms', 'event-log?type=alarm', 'session']) {
      expect((await api.get(`/api/v1/${path}`)).status, path).toBe(200);
    }
  });

  test.each([
    ['GET', '/api/v1/devices/pump', 400, 'param.id'],
    ['GET', '/api/v1/devices/dev_hall.nobody', 404, 'dev_hall.nobody'],
    ['GET', '/api/v1/devices?limit=0', 400, 'query.limit'],
    ['GET', '/api/v1/gaps?cursor=nonsense', 400, 'cursor'],
    ['GET', '/api/v1/gaps?from=yesterday', 400, 'yesterday'],
    ['GET', `${PUMP}/points/nothing/history`, 404, 'nothing'],
    ['GET', `${PUMP}/points/speed/history?step=often`, 400, 'often'],
    ['GET', `${PUMP}/points/speed/history?from=2026-01-02&to=2026-01-01`, 400, 'query.from'],
    ['POST', `${PUMP}/points/nothing/write`, 404, 'nothing'],
    ['POST', `${PUMP}/points/speed/write`, 400, 'value'],
    ['POST', '/api/v1/enrolment-tokens', 400, 'json.site'],
    ['GET', '/api/v1/nothing', 404, '/api/v1/nothing'],
  ])('%s %s is answered with %i and names %s', async (method, path, status, named) => {
    const body = path.endsWith('nothing/write') ? { value: 1 } : {};
    const response = await (method === 'GET' ? api.get(path) : api.send(method, path, body));
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    const problem = (await response.json()) as { detail: string };
    expect(problem).toMatchObject({ status, code: expect.any(String), title: expect.any(String) });
    expect(problem.detail).toContain(named);
  });

  test('refuses broken JSON and bodies that are too large', async () => {
    const broken = await fetch(`${api.url}/api/v1/enrolment-tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: '{broken',
    });
    expect(broken.status).toBe(400);
    const large = await api.send('POST', '/api/v1/enrolment-tokens', { site: 'x'.repeat(100_000) });
    expect(large.status).toBe(413);
  });

  test('says so when the database is away', async () => {
    await api.data.database.stop();
    expect((await fetch(`${api.url}/healthz`)).status).toBe(503);
    const response = await api.get('/api/v1/devices');
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: 'DATABASE_AWAY' });
    await api.data.database.start();
  });

  test('tells its figures to Prometheus', async () => {
    await api.data.storeSamples(gateway, [[0, 1, 1]]);
    const text = await (await fetch(`${api.url}/metrics`)).text();
    expect(text).toContain('millwright_region_samples_stored_total{region="north"} 1');
    expect(text).toContain('# TYPE millwright_region_samples_stored_total counter');
  });

  describe('serves the console', () => {
    test('by its page for every path of its own, never kept', async () => {
      for (const path of ['/', '/devices/dev_hall.pump', '/sign-in']) {
        const response = await fetch(api.url + path);
        expect(response.status).toBe(200);
        expect(await response.text()).toContain('the console');
        expect(response.headers.get('cache-control')).toBe('no-cache');
      }
    });

    test('by its files, kept for ever because their names change', async () => {
      const response = await fetch(`${api.url}/assets/index-abc123.js`);
      expect(response.headers.get('content-type')).toContain('javascript');
      expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
      expect((await fetch(`${api.url}/assets/index-old.js`)).status).toBe(404);
      expect((await fetch(`${api.url}/..%2f..%2fetc/passwd`)).status).not.toBe(500);
    });

    test('without allowing anything inline or foreign', async () => {
      const policy = (await fetch(api.url)).headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'self'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain('unsafe');
      expect((await fetch(api.url)).headers.get('x-content-type-options')).toBe('nosniff');
    });

    test('or says how to build it', async () => {
      const bare = await TestApi.start(await server.newDatabase(), { consoleDirectory: '/nowhere' });
      try {
        const response = await fetch(bare.url);
        expect(response.status).toBe(503);
        expect(await response.text()).toContain('npm run build');
      } finally {
        await bare.stop();
      }
    });
  });
});

/** The answer to a request that names another host than it is sent to. */
function statusOf(url: string, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${url}/healthz`, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.once('error', reject);
    request.end();
  });
}
