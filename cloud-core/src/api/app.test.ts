import { RegionSummary } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { describe, expect, it } from 'vitest';
import { MemoryRegionStore } from '../regions/store.ts';
import { createApp } from './app.ts';

const TOKEN = 'a-token-that-is-long-enough';

function setUp() {
  const clock = new MemoryClock();
  const logger = new MemoryLogger();
  let news = 0;
  const app = createApp(
    { clock, logger, store: new MemoryRegionStore(), onNews: () => (news += 1) },
    { token: TOKEN },
  );
  const call = (path: string, body?: unknown, token = TOKEN) =>
    app.request(path, {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined
        ? {}
        : { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  return { app, clock, call, newsCount: () => news };
}

function summary(region: string, atMs: number, samples = 1): RegionSummary {
  return RegionSummary.parse({
    region,
    atMs,
    version: '0.1.0',
    gateways: [],
    devices: [],
    counts: { frames: 1, samples, gaps: 2, alarmsActive: 3, commands: 0 },
    rollups: [],
  });
}

describe('the cloud API', () => {
  it('merges regions and says how old the news of each is', async () => {
    const { call, clock } = setUp();
    await call('/api/v1/regions/north/summary', summary('north', 1));
    await clock.advance(40_000);
    await call('/api/v1/regions/south/summary', summary('south', 2));
    const merged = await (await call('/api/v1/regions')).json();
    expect(merged.totals).toMatchObject({ samples: 2, gaps: 4, alarmsActive: 6 });
    expect(merged.regions).toMatchObject([
      { region: 'north', newsAgeMs: 40_000, isStale: true },
      { region: 'south', newsAgeMs: 0, isStale: false },
    ]);
  });

  it('keeps newer news when older arrives late', async () => {
    const { call, newsCount } = setUp();
    expect(await (await call('/api/v1/regions/north/summary', summary('north', 5, 50))).json()).toEqual({
      kept: true,
    });
    expect(await (await call('/api/v1/regions/north/summary', summary('north', 4, 40))).json()).toEqual({
      kept: false,
    });
    expect((await (await call('/api/v1/regions')).json()).totals.samples).toBe(50);
    expect(newsCount()).toBe(1);
  });

  it.each([
    ['no summary', 'north', '{', 400, 'invalid-summary'],
    ['a summary of another region', 'south', summary('north', 1), 400, 'region-mismatch'],
    ['an impossible region name', 'No%20rth', summary('north', 1), 400, 'invalid-region'],
  ])('refuses %s', async (_, region, body, status, type) => {
    const { call, newsCount } = setUp();
    const response = await call(`/api/v1/regions/${region}/summary`, body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ type: `urn:millwright:${type}` });
    expect(newsCount()).toBe(0);
  });

  it('wants the token for everything under /api, and hands out no data with the page', async () => {
    const { app, call } = setUp();
    expect((await app.request('/api/v1/regions')).status).toBe(401);
    expect((await call('/api/v1/regions', undefined, 'wrong')).status).toBe(401);
    expect((await call('/api/v1/regions/north/summary', summary('north', 1), 'wrong')).status).toBe(401);
    const page = await app.request('/');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
  });
});
