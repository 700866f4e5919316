import type { GatewayId } from '@millwright/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { TestServer } from '../postgres/test-server.fixture.ts';
import { TestApi, TOKEN } from './api.fixture.ts';

const CSRF = { 'x-millwright-csrf': '1' };

describe('a region streams events', () => {
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

  test('to a console: the picture, then each change, and what was missed on return', async () => {
    const cookie = await signIn();
    const now = api.data.clock.wallMs();
    api.data.sendLive(gateway, [[0, now, 60]]);
    const first = await open(api.url, { cookie });
    expect(await first.until('caught-up')).toMatchObject([
      { event: 'value', data: { device: 'dev_hall.pump', point: 'bearing.temperature', v: 60, q: 'good' } },
      { event: 'caught-up' },
    ]);
    api.data.sendLive(gateway, [[0, now + 1, 61]]);
    const [change] = await first.until('value');
    expect(change).toMatchObject({ data: { v: 61 } });
    first.close();
    await api.data.store.appendEntries(gateway, [
      api.data.event(gateway, { type: 'alarm.raised', message: 'hot' }),
    ]);
    const second = await open(api.url, { cookie, 'last-event-id': change?.id ?? '' });
    expect(await second.until('event')).toMatchObject([
      { event: 'event', data: { message: 'hot', type: 'alarm.raised' } },
    ]);
    second.close();
  });

  test('of changed devices, gateways and gaps', async () => {
    const stream = await open(api.url, { authorization: `Bearer ${TOKEN}` });
    await stream.until('caught-up');
    await api.data.devices(gateway, 'pump', 'fan');
    expect((await stream.until('device')).at(-1)?.data).toMatchObject({ id: 'dev_hall.fan', gone: false });
    await api.data.devices(gateway, 'pump');
    expect((await stream.until('device')).at(-1)?.data).toMatchObject({
      id: 'dev_hall.fan',
      gone: true,
      online: false,
    });
    await api.data.store.setConnected(gateway, true);
    expect((await stream.until('gateway')).at(-1)?.data).toMatchObject({ id: gateway, online: true });
    await api.data.store.appendEntries(gateway, [
      api.data.gap(gateway, { reason: 'journal-full', fromMs: 1, toMs: 2, samples: 3 }),
    ]);
    expect((await stream.until('gap')).at(-1)?.data).toMatchObject({ reason: 'journal-full', samples: 3 });
    stream.close();
  });

  test('of one device only, when asked so', async () => {
    const stream = await open(api.url, { authorization: `Bearer ${TOKEN}` }, '?device=dev_hall.other');
    await stream.until('caught-up');
    api.data.sendLive(gateway, [[0, 1, 60]]);
    await api.data.devices(gateway, 'pump', 'other');
    expect((await stream.until('device')).map(({ event }) => event)).toEqual(['device']);
    stream.close();
  });

  test('until the region stops, and says so', async () => {
    const stream = await open(api.url, { authorization: `Bearer ${TOKEN}` });
    await stream.until('caught-up');
    expect(api.streams.count).toBe(1);
    await api.streams.stop();
    expect((await stream.until('closed')).at(-1)?.data).toEqual({ reason: 'the region is being stopped' });
    await expect.poll(() => api.streams.count).toBe(0);
  });

  test('and forgets a listener that went away', async () => {
    const stream = await open(api.url, { authorization: `Bearer ${TOKEN}` });
    await stream.until('caught-up');
    stream.close();
    await expect.poll(() => api.streams.count).toBe(0);
  });
});

interface Message {
  readonly id?: string;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

async function open(url: string, headers: Readonly<Record<string, string>>, query = '') {
  const abort = new AbortController();
  const response = await fetch(`${url}/api/v1/events${query}`, { headers, signal: abort.signal });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  const waiting: Message[] = [];
  return {
    close: () => abort.abort(),
    /** Messages up to and including the next of this name. */
    async until(event: string): Promise<Message[]> {
      for (;;) {
        const at = waiting.findIndex((message) => message.event === event);
        if (at >= 0) return waiting.splice(0, at + 1);
        const { value, done } = (await reader?.read()) ?? { value: undefined, done: true };
        if (done) throw new TypeError(`the stream ended before "${event}"`);
        const blocks = (rest + value).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) {
          const fields = new Map(
            block.split('\n').map((line) => line.split(/: (.*)/s, 2) as [string, string]),
          );
          const name = fields.get('event');
          if (name === undefined) continue;
          const id = fields.get('id');
          const data = JSON.parse(fields.get('data') ?? '{}') as Record<string, unknown>;
          waiting.push({ event: name, data, ...(id === undefined ? {} : { id }) });
        }
      }
    },
  };
}
