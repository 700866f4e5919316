import type { DeviceId, GatewayId, PointId, SiteId } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import { Directory, type GatewayLines } from '../ingest/directory.ts';
import { LiveValues } from '../live/live-values.ts';
import { batchOf, type TestSample } from '../region-data.fixture.ts';
import { EventFeed } from './event-feed.ts';
import { EventListener } from './event-listener.ts';

const GATEWAY = 'gw_aaaaaaaaaaaaaaaa' as GatewayId;
const PUMP = 'dev_hall.pump' as DeviceId;
const FAN = 'dev_hall.fan' as DeviceId;

/** Point numbers below 1000 are the pump's, the others the fan's. */
class TestDirectory extends Directory {
  override peek(): GatewayLines {
    const lines = new Proxy([] as GatewayLines['lines'], {
      get: (_, no) => ({
        id: Number(no),
        no: Number(no),
        kind: 'float64',
        device: Number(no) < 1000 ? PUMP : FAN,
        point: `p${String(no)}` as PointId,
      }),
    });
    return { key: 1, id: GATEWAY, site: 'hall' as SiteId, name: 'hall-1', lines };
  }
}

interface Message {
  readonly id?: string;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

function messagesOf(piece: string | undefined): Message[] {
  return (piece ?? '')
    .split('\n\n')
    .map((block) => new Map(block.split('\n').map((line) => line.split(/: (.*)/s, 2) as [string, string])))
    .filter((fields) => fields.has('event'))
    .map((fields) => ({
      ...(fields.has('id') ? { id: fields.get('id') ?? '' } : {}),
      event: fields.get('event') ?? '',
      data: JSON.parse(fields.get('data') ?? '{}') as Record<string, unknown>,
    }));
}

describe('a listener of events', () => {
  let clock: MemoryClock;
  let feed: EventFeed;
  beforeEach(() => {
    clock = new MemoryClock();
    feed = new EventFeed({
      values: new LiveValues({ clock, logger: new MemoryLogger(), directory: new TestDirectory() }),
    });
  });
  const come = (...samples: TestSample[]) => feed.values.accept(GATEWAY, batchOf(samples));
  const happen = (message: string) =>
    feed.event({ id: message, atMs: 1, type: 'alarm.raised', message, gateway: GATEWAY, device: PUMP });

  /** Reads until the next piece would need time or news. */
  class Reader {
    readonly listener: EventListener;
    #pending: Promise<string | undefined> | undefined;
    constructor(options: { device?: DeviceId; lastEventId?: string } = {}) {
      this.listener = new EventListener({ feed, clock }, options);
    }
    async piece(): Promise<string | undefined> {
      this.#pending ??= this.listener.next();
      const nothing = new Promise<'nothing'>((resolve) =>
        setImmediate(() => setImmediate(() => resolve('nothing'))),
      );
      const got = await Promise.race([this.#pending, nothing]);
      if (got === 'nothing') return 'nothing';
      this.#pending = undefined;
      return got;
    }
    async messages(): Promise<Message[]> {
      const all: Message[] = [];
      for (;;) {
        const piece = await this.piece();
        if (piece === 'nothing' || piece === undefined) return all;
        all.push(...messagesOf(piece));
      }
    }
  }
  const values = (messages: readonly Message[]) =>
    messages.filter(({ event }) => event === 'value').map(({ data }) => [data.point, data.v]);
  const lastId = (messages: readonly Message[]) => messages.findLast(({ id }) => id !== undefined)?.id;

  test('first gets the newest value of every point, then that it has caught up', async () => {
    come([0, 1, 1], [1, 1, 2]);
    come([0, 2, 3]);
    const messages = await new Reader().messages();
    expect(messages.at(-1)).toMatchObject({ event: 'caught-up', id: expect.stringMatching(/\.3\.0$/) });
    expect(messages[0]).toEqual({
      event: 'value',
      data: { device: PUMP, point: 'p0', v: 3, q: 'good', tSource: 2, tGateway: 7 },
    });
    expect(values(messages)).toEqual([
      ['p0', 3],
      ['p1', 2],
    ]);
  });

  test('gets values at most every 50 ms, of each point the newest only', async () => {
    const reader = new Reader();
    await reader.messages();
    await clock.advance(100);
    come([0, 1, 1]);
    expect(values(await reader.messages())).toEqual([['p0', 1]]);
    come([0, 2, 2]);
    come([0, 3, 3], [1, 3, 9]);
    expect(await reader.messages()).toEqual([]);
    await clock.advance(49);
    expect(await reader.messages()).toEqual([]);
    await clock.advance(1);
    expect(values(await reader.messages())).toEqual([
      ['p0', 3],
      ['p1', 9],
    ]);
  });

  test('gets events one by one and in order, however many came at once', async () => {
    const reader = new Reader();
    await reader.messages();
    await clock.advance(100);
    for (let at = 0; at < 1200; at++) happen(`event ${at}`);
    const seen: unknown[] = [];
    for (let round = 0; round < 5; round++) {
      seen.push(...(await reader.messages()).map(({ data }) => data.message));
      await clock.advance(50);
    }
    expect(seen).toEqual(Array.from({ length: 1200 }, (_, at) => `event ${at}`));
  });

  test('that comes back gets what it missed and nothing else', async () => {
    come([0, 1, 1], [1, 1, 1]);
    happen('before');
    const id = lastId(await new Reader().messages());
    come([1, 2, 2]);
    happen('meanwhile');
    const messages = await new Reader({ lastEventId: id ?? '' }).messages();
    expect(messages.map(({ event }) => event)).toEqual(['event', 'value']);
    expect(messages[0]?.data.message).toBe('meanwhile');
    expect(values(messages)).toEqual([['p1', 2]]);
  });

  test('that comes back in the middle of a burst misses nothing', async () => {
    const reader = new Reader();
    await reader.messages();
    await clock.advance(100);
    happen('one');
    happen('two');
    come([0, 1, 1]);
    const [first] = await reader.messages();
    expect(first?.data.message).toBe('one');
    const messages = await new Reader({ lastEventId: first?.id ?? '' }).messages();
    expect(messages.map(({ event, data }) => data.message ?? event)).toEqual(['two', 'value']);
  });

  test('that was away for too long is told to start over, with the full picture', async () => {
    come([0, 1, 1], [1, 1, 1]);
    const id = lastId(await new Reader().messages());
    for (let at = 0; at < 5000; at++) happen(`event ${at}`);
    const messages = await new Reader({ lastEventId: id ?? '' }).messages();
    expect(messages[0]).toMatchObject({ event: 'reset' });
    expect(values(messages)).toHaveLength(2);
    expect(messages.at(-1)?.event).toBe('caught-up');
  });

  test.each(['nonsense', '', 'other.1.0', 'x.99999.0'])(
    'with the position "%s" is told to start over',
    async (id) => {
      const messages = await new Reader({ lastEventId: id }).messages();
      expect(messages[0]?.event).toBe('reset');
    },
  );

  test('that missed a million changes gets each point once', async () => {
    come([0, 1, 0], [1, 1, 0]);
    const id = lastId(await new Reader().messages());
    const batch = batchOf(Array.from({ length: 1000 }, (_, no) => [no, 5, no] as const));
    for (let round = 0; round < 50; round++) feed.values.accept(GATEWAY, batch);
    const messages = await new Reader({ lastEventId: id ?? '' }).messages();
    expect(new Set(values(messages).map(([point]) => point)).size).toBe(1000);
    expect(values(messages)).toHaveLength(1000);
  });

  test('of one device hears of that device and of what concerns all', async () => {
    const reader = new Reader({ device: FAN });
    await reader.messages();
    await clock.advance(100);
    come([0, 1, 1], [2000, 1, 2]);
    happen('pump only');
    feed.gap({ gateway: GATEWAY, reason: 'journal-full', fromMs: 1, toMs: 2 });
    const messages = await reader.messages();
    expect(messages.map(({ event }) => event)).toEqual(['gap', 'value']);
    expect(values(messages)).toEqual([['p2000', 2]]);
  });

  test('that falls behind the events is told to start over', async () => {
    const reader = new Reader();
    await reader.messages();
    await clock.advance(100);
    for (let at = 0; at < 5000; at++) happen(`event ${at}`);
    const messages = await reader.messages();
    expect(messages.map(({ event }) => event)).toEqual(['reset', 'caught-up']);
  });

  test('gets a sign of life every 15 s, also when only others have news', async () => {
    const reader = new Reader({ device: FAN });
    await reader.messages();
    for (let second = 0; second < 14; second++) {
      await clock.advance(1000);
      come([0, second, second]);
      expect(await reader.piece()).toBe('nothing');
    }
    await clock.advance(1000);
    expect(await reader.piece()).toBe(': still here\n\n');
  });

  test('hears why its stream is ended', async () => {
    const reader = new Reader();
    await reader.messages();
    reader.listener.close('signed out');
    reader.listener.close('again');
    expect(messagesOf(await reader.piece())).toEqual([{ event: 'closed', data: { reason: 'signed out' } }]);
    expect(await reader.piece()).toBeUndefined();
  });
});
