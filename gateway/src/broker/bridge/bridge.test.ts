import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { describe, expect, it } from 'vitest';
import { MemoryKvFile } from '../../journal/kv/memory-kv.ts';
import { DurableRecords } from '../durable-records.ts';
import { BridgeQueue } from './bridge-queue.ts';
import { BridgesConfig } from './config.ts';
import { TopicMap } from './topic-map.ts';

const topics = (...list: object[]) => {
  const [bridge] = BridgesConfig.parse([{ name: 'b', broker: 'mqtt://h:1', topics: list }]);
  return new TopicMap(bridge?.topics ?? []);
};

describe('the topics of a bridge', () => {
  it('are called otherwise on the other side', () => {
    const map = topics({
      pattern: 'hall/#',
      direction: 'out',
      localPrefix: 'here/',
      remotePrefix: 'site-a/',
    });
    expect(map.localFilters).toEqual(['here/hall/#']);
    expect(map.outward('here/hall/th/temp')).toEqual({ topic: 'site-a/hall/th/temp', qos: 1 });
    expect(map.outward('hall/th/temp')).toBeUndefined();
    expect(map.inward('site-a/hall/th/temp')).toBeUndefined();
  });

  it('go both ways, and what was kept here is not told there as new', () => {
    const map = topics({ pattern: '#', direction: 'both', qos: 0, remotePrefix: 'site-a/' });
    expect(map.remoteFilters).toEqual(['site-a/#']);
    expect(map.inward('site-a/x')).toEqual({ topic: 'x', qos: 0 });
    expect(map.outward('x')).toEqual({ topic: 'site-a/x', qos: 0 });
    expect(map.outward('x', { isKept: true })).toBeUndefined();
  });

  it('are carried once where patterns overlap, as the first one says', () => {
    const map = topics(
      { pattern: 'a/b', direction: 'out', remotePrefix: 'one/' },
      { pattern: 'a/#', direction: 'out', remotePrefix: 'two/' },
    );
    expect(map.outward('a/b')?.topic).toBe('one/a/b');
    expect(map.localFilters.filter((filter) => map.isFirstFor(filter, 'a/b'))).toEqual(['a/b']);
  });

  it('cannot have wildcards in a prefix, nor two bridges one name', () => {
    expect(() => topics({ pattern: '#', direction: 'in', localPrefix: '+/' })).toThrow(/without wildcards/);
    const bridge = { name: 'b', broker: 'mqtt://h:1', topics: [{ pattern: '#', direction: 'in' }] };
    expect(() => BridgesConfig.parse([bridge, bridge])).toThrow(/the same name/);
  });
});

describe('the queue of a bridge', () => {
  const open = async (
    config: { maxBytes?: number; maxMessages?: number } = {},
    file = new MemoryKvFile(),
  ) => {
    const kv = await file.open();
    const records = new DurableRecords({ clock: new MemoryClock(), logger: new MemoryLogger(), kv });
    const queue = new BridgeQueue({ records }, { name: 'b', maxBytes: 10_000, maxMessages: 100, ...config });
    await queue.load();
    return { file, queue, texts: () => [...queue.from(0)].map(({ payload }) => payload.toString()) };
  };
  const text = (value: string) => Buffer.from(value);

  it('is there again after a restart, in order, without what was delivered', async () => {
    const before = await open();
    for (let no = 0; no < 20; no++) before.queue.add('t', text(String(no)), no % 2 === 0);
    for (const no of [1, 2, 3]) before.queue.remove(no);
    await before.queue.committed();
    const after = await open({}, before.file);
    expect(after.texts()).toEqual(Array.from({ length: 17 }, (_, no) => String(no + 3)));
    after.queue.add('t', text('new'), false);
    expect(after.texts().at(-1)).toBe('new');
    expect(after.queue.bytes).toBeGreaterThan(0);
  });

  it('drops the oldest when there is no room, by number or by bytes, and counts them', async () => {
    const few = await open({ maxMessages: 3 });
    for (let no = 0; no < 5; no++) few.queue.add('t', text(String(no)), false);
    expect([few.texts(), few.queue.dropped]).toEqual([['2', '3', '4'], 2]);
    const small = await open({ maxBytes: 400 });
    for (let no = 0; no < 5; no++) small.queue.add('t', text(`${no}${'x'.repeat(100)}`), false);
    expect(small.texts().map((line) => line[0])).toEqual(['3', '4']);
    expect(small.queue.bytes).toBeLessThanOrEqual(400);
    expect(small.queue.add('t', text('x'.repeat(1000)), false)).toBe(false);
    expect(small.queue.size).toBe(2);
  });
});
