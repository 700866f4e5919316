import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeviceSlug, PointId } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { SourcesFixture } from './api.fixture.ts';
import { ApiConfig } from './config.ts';
import { LocalApi } from './local-api.ts';
import { RecentEvents } from './recent-events.ts';

let folder: string;
let sources: SourcesFixture;
let clock: MemoryClock;
let logger: MemoryLogger;
let api: LocalApi;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millwright-api-'));
  sources = new SourcesFixture();
  sources.addDevice('pump-1', 'Pump 1', { flow: [12.3456789, 'm3/h'], running: [true], total: [2n ** 60n] });
  clock = new MemoryClock();
  logger = new MemoryLogger();
});
afterEach(async () => {
  await api.stop();
  rmSync(folder, { recursive: true, force: true });
});

const tokenPath = () => join(folder, 'state', 'api-token');

async function start(config: Record<string, unknown> = {}): Promise<void> {
  api = new LocalApi(
    { clock, logger, sources },
    { ...ApiConfig.parse({ port: 0, ...config }), tokenPath: tokenPath() },
  );
  await api.start();
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  json(): unknown;
}

/** `fetch` lets nobody choose the Host header. */
function get(
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
  body?: string,
): Promise<Answer> {
  const { port } = new URL(api.url ?? '');
  return new Promise((resolve, reject) => {
    const sent = request({
      host: '127.0.0.1',
      port,
      path,
      method,
      headers: { host: `127.0.0.1:${port}`, ...headers },
    });
    sent.on('error', reject);
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: text,
          json: (): unknown => JSON.parse(text),
        }),
      );
    });
    sent.end(body);
  });
}

describe('the local API', () => {
  it('tells the state of the gateway', async () => {
    await start();
    await clock.advance(90_000);
    expect((await get('/api/v1/status')).json()).toMatchObject({
      gateway: 'gw_abcdefghij234567',
      name: 'north-gw1',
      site: 'water-works',
      version: '0.1.0',
      uptimeMs: 90_000,
      uplink: { state: 'connected', region: 'north', lagEntries: 3 },
      journal: { entries: 812, maxBytes: 1_073_741_824 },
      devices: { total: 1, online: 1 },
      alarms: 0,
    });
    expect((await get('/healthz')).json()).toEqual({ status: 'ok' });
    sources.journalStats = { ...sources.journalStats, fault: 'the disk is full' };
    expect((await get('/healthz')).json()).toEqual({ status: 'degraded' });
  });

  it('lists devices, and the points of one with value, quality and times', async () => {
    await start();
    sources.samples.set(0, { v: null, q: 'bad', why: 'timeout', tSource: 5, tGateway: 6 });
    sources.samples.delete(1);
    expect((await get('/api/v1/devices')).json()).toEqual({
      items: [{ id: 'pump-1', name: 'Pump 1', driver: 'mqtt', online: true, sinceMs: clock.wallMs() }],
    });
    expect((await get('/api/v1/devices/pump-1')).json()).toMatchObject({
      id: 'pump-1',
      points: [
        {
          id: 'flow',
          unit: 'm3/h',
          writable: false,
          v: null,
          q: 'bad',
          why: 'timeout',
          tSource: 5,
          tGateway: 6,
        },
        { id: 'running', v: null, q: 'bad', why: 'not-yet-read', tSource: null },
        { id: 'total', v: '1152921504606846976', q: 'good' },
      ],
    });
    const unknown = await get('/api/v1/devices/pump-9');
    expect(unknown.headers['content-type']).toBe('application/problem+json');
    expect(unknown.json()).toMatchObject({ status: 404, code: 'DEVICE_UNKNOWN' });
    expect((await get('/api/v2')).json()).toMatchObject({ status: 404, code: 'NOT_FOUND' });
  });

  it('lists active alarms, and the last events, newest first', async () => {
    const events = new RecentEvents({
      clock: new MemoryClock(),
      logger: new MemoryLogger(),
      journal: { appendEvent: async () => ({ epoch: 1, seq: 1 }) },
      kv: await new MemoryKvFile().open(),
    });
    for (let no = 0; no < 250; no++) {
      await events.appendEvent({
        id: `evt_${no}`,
        atMs: no,
        type: 'config.changed',
        message: `change ${no}`,
      });
    }
    sources.recentEvents = [...events.recent()];
    sources.activeAlarms = [alarm('Pump 1 flow is 0 m3/h, below 1 m3/h (high)')];
    await start();
    expect((await get('/api/v1/alarms')).json()).toMatchObject({
      items: [{ alarm: 'lo', priority: 'high' }],
    });
    const { items } = (await get('/api/v1/events/recent')).json() as { items: { id: string }[] };
    expect(items).toHaveLength(200);
    expect(items[0]?.id).toBe('evt_249');
  });

  it('gives its numbers to Prometheus', async () => {
    await start();
    const { body, headers } = await get('/metrics');
    expect(headers['content-type']).toContain('text/plain');
    for (const line of [
      'millwright_samples_received_total 1000',
      'millwright_journal_bytes 130000000',
      'millwright_journal_dropped_samples_total 0',
      'millwright_uplink_connected 1',
      'millwright_uplink_lag_entries 3',
      'millwright_device_online{device="pump-1",driver="mqtt"} 1',
      'millwright_broker_clients 2',
      'millwright_broker_offences_total{code="PUBLISH_DENIED"} 4',
      'millwright_alarms_active{priority="high"} 0',
    ]) {
      expect(body.split('\n')).toContain(line);
    }
    expect(body).toMatch(/process_resident_memory_bytes \d{7,}/);
    expect(body).toMatch(/millwright_event_loop_lag_seconds\{quantile="0.99"\} \d/);
    expect((await get('/metrics')).body.split('\n')).toContain('millwright_samples_received_total 1000');
  });

  it('names the port that is in use, and answers an error without its details', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(start({ port })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: `local API: 127.0.0.1:${port} is in use by another program`,
      hint: expect.stringContaining('http.port'),
    });
    await new Promise((resolve) => other.close(resolve));
    await start({ port });
    await api.start();
    expect(api.url).toBe(`http://127.0.0.1:${port}/`);
    sources.devices.statuses = () => {
      throw new TypeError('secret detail');
    };
    const answer = await get('/api/v1/status');
    expect(answer.json()).toMatchObject({ status: 500, code: 'INTERNAL' });
    expect(answer.body).not.toContain('secret detail');
    expect(logger.lines.at(-1)?.fields.error).toContain('secret detail');
  });
});

describe('the local API and strangers', () => {
  it('answers to its addresses and to localhost, not to a name somebody else points at it', async () => {
    await start({ names: ['gateway.plant'] });
    for (const host of [
      'localhost',
      'localhost:80',
      '127.0.0.1',
      '[::1]:8470',
      '192.168.1.7',
      'Gateway.Plant:80',
    ]) {
      expect((await get('/api/v1/status', { host })).status, host).toBe(200);
    }
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80', '.']) {
      expect((await get('/api/v1/status', { host })).status, host).toBe(421);
    }
    expect((await get('/', { host: 'evil.example' })).json()).toMatchObject({ code: 'HOST_UNKNOWN' });
  });

  it('sends headers that keep scripts of others out', async () => {
    await start();
    const { headers } = await get('/');
    const policy = headers['content-security-policy'] ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    });
    expect(headers['strict-transport-security']).toBeUndefined();
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  it('on an address others can reach takes a token, which it keeps over restarts', async () => {
    await start({ host: '0.0.0.0' });
    const token = readFileSync(tokenPath(), 'utf8').trim();
    expect(token.length).toBeGreaterThanOrEqual(43);
    expect(statSync(tokenPath()).mode & 0o777).toBe(0o600);
    for (const path of ['/api/v1/status', '/api/v1/devices/pump-1', '/metrics', '/nothing']) {
      const answer = await get(path);
      expect(answer.status, path).toBe(401);
      expect(answer.headers['www-authenticate']).toContain('Bearer');
      expect((await get(path, { authorization: `Bearer ${token}x` })).status).toBe(401);
      expect((await get(path, { authorization: `Bearer ${token}` })).status).not.toBe(401);
    }
    expect((await get('/healthz')).body).toBe('{"status":"ok"}');
    await api.stop();
    await start({ host: '0.0.0.0' });
    expect((await get('/api/v1/status', { authorization: `Bearer ${token}` })).status).toBe(200);
    expect(JSON.stringify(logger.lines)).not.toContain(token);
  });

  it('lets a browser sign in, for twelve hours', async () => {
    await start({ host: '0.0.0.0' });
    const token = readFileSync(tokenPath(), 'utf8').trim();
    const page = await get('/');
    expect(page.status).toBe(401);
    expect(page.body).toContain('Access token');
    expect(page.body).not.toContain('Pump 1');
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const wrong = await get('/sign-in', form, 'POST', 'token=wrong');
    expect(wrong.status).toBe(401);
    expect(wrong.headers['set-cookie']).toBeUndefined();
    const right = await get('/sign-in', form, 'POST', `token=${token}`);
    expect(right.status).toBe(303);
    const [cookie = ''] = right.headers['set-cookie'] ?? [];
    expect(cookie).toMatch(/HttpOnly/);
    expect(cookie).toMatch(/SameSite=Strict/);
    expect(cookie).not.toContain(token);
    const session = { cookie: cookie.split(';', 1)[0] ?? '' };
    expect((await get('/', session)).body).toContain('Pump 1');
    expect((await get('/', { cookie: 'millwright_session=guess' })).status).toBe(401);
    await clock.advance(13 * 3600 * 1000);
    expect((await get('/', session)).status).toBe(401);
    expect((await get('/sign-in', form, 'POST', `token=${'x'.repeat(4000)}`)).status).toBe(413);
  });

  it('closes a token file that others could read, and refuses one that holds no token', async () => {
    await start({ host: '0.0.0.0' });
    await api.stop();
    chmodSync(tokenPath(), 0o644);
    await api.start();
    expect(statSync(tokenPath()).mode & 0o777).toBe(0o600);
    await api.stop();
    writeFileSync(tokenPath(), 'short\n');
    await expect(api.start()).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  });
});

describe('the status page', () => {
  it('says everything without a script', async () => {
    sources.activeAlarms = [alarm('Pump 1 flow is 0 m3/h, below 1 m3/h (high)')];
    sources.addDevice('hall', 'Hall <script>alert(1)</script>', { temp: [21, 'Cel'] }, false);
    await start();
    const { body } = await get('/');
    expect(body).toContain('north-gw1');
    expect(body).toContain('Pump 1 flow is 0 m3/h, below 1 m3/h (high)');
    expect(body).toMatch(/12\.3457 <span class="muted">m³\/h/);
    expect(body).toContain('no message for 10 min');
    expect(body).toContain('Hall &lt;script&gt;');
    expect(body).not.toContain('<script>alert');
    expect(body).not.toMatch(/<script(?![^>]* src=)/);
    expect(body).not.toMatch(/ style=| on[a-z]+=/);
  });

  it('says what goes on without a region, and that what is recorded stays', async () => {
    sources.uplinkState = { state: 'connecting', why: 'north.example does not answer' };
    sources.journalStats = { ...sources.journalStats, fault: 'the disk is full', droppedSamples: 12 };
    await start();
    const { body } = await get('/');
    expect(body).toContain('not connected');
    expect(body).toContain('north.example does not answer. 3 entries are kept until it answers.');
    expect(body).toContain('the disk is full');
    expect(body).toContain('12 samples lost');
  });

  it('folds and unfolds devices by links, and folds them all when there are many points', async () => {
    for (let no = 0; no < 30; no++) {
      sources.addDevice(`meter-${no}`, `Meter ${no}`, { a: [1], b: [2], c: [3], d: [4] });
    }
    await start();
    const folded = (await get('/')).body;
    expect(folded).not.toContain('<table>');
    expect(folded).toContain('href="/?open=meter-3#device-meter-3"');
    const open = (await get('/?open=meter-3')).body;
    expect(open.match(/<table>/g)).toHaveLength(1);
    expect(open).toContain('href="/?open=#device-meter-3"');
    expect(open).toContain('href="/?open=meter-3,pump-1#device-pump-1"');
    expect((await get('/?open=')).body).not.toContain('<table>');
  });

  it('serves its own script, style and icon, and nothing else', async () => {
    await start();
    expect((await get('/assets/status.js')).headers['content-type']).toContain('text/javascript');
    expect((await get('/assets/status.css')).headers['content-type']).toContain('text/css');
    expect((await get('/assets/icon.svg')).headers['content-type']).toContain('image/svg+xml');
    for (const path of ['/assets/status-page.ts', '/assets/..%2fviews.ts', '/assets/../views.ts']) {
      expect((await get(path)).status, path).toBe(404);
    }
  });
});

function alarm(message: string): SourcesFixture['activeAlarms'][number] {
  const [device, point] = [DeviceSlug.parse('pump-1'), PointId.parse('flow')];
  return { device, point, alarm: 'lo', priority: 'high', kind: 'limit', message, raisedAtMs: clock.wallMs() };
}
