import {
  FrameWriter,
  formatEnrolToken,
  type GatewayId,
  gatewayIdOf,
  InvalidInputError,
  type JournalEntry,
  type JournalPosition,
  PointNo,
  SampleBatch,
  SiteId,
  UnavailableError,
} from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { MemoryIngestStore } from '../ingest/memory-store.ts';
import { IngestQueue } from './ingest-queue.ts';

const EPOCH = 7;
const KEY = new Uint8Array(32).fill(1);

describe('the queue before the store', () => {
  let clock: MemoryClock;
  let store: MemoryIngestStore;
  let gateway: GatewayId;
  let acks: JournalPosition[];
  let queue: IngestQueue;

  beforeEach(async () => {
    clock = new MemoryClock();
    store = new MemoryIngestStore({ clock });
    gateway = gatewayIdOf(KEY);
    const token = formatEnrolToken({ regionPeer: `12D3KooW${'A'.repeat(44)}`, secret: new Uint8Array(16) });
    await store.addToken({ token, expiresAtMs: clock.wallMs() + 1000 });
    const site = SiteId.parse('north');
    await store.enrol({ token, name: 'hall-1', site, version: '1', hardware: {} }, KEY);
    acks = [];
    queue = new IngestQueue({
      ...{ gateway, store, clock, logger: new MemoryLogger() },
      onDurable: async (position) => {
        acks.push(position);
      },
    });
  });

  test('waits a moment for company, then stores what came in one go', async () => {
    const append = vi.spyOn(store, 'appendEntries');
    const running = queue.run();
    for (const seq of [0, 1, 2]) await queue.push(frame(seq));
    await clock.advance(9);
    expect(append).not.toHaveBeenCalled();
    await clock.advance(1);
    expect(append).toHaveBeenCalledTimes(1);
    expect(acks).toEqual([{ epoch: EPOCH, seq: 2 }]);
    queue.end();
    await running;
  });

  test('stores a full group at once', async () => {
    const running = queue.run();
    for (let seq = 0; seq < 64; seq++) await queue.push(frame(seq));
    await vi.waitFor(() => expect(acks).toEqual([{ epoch: EPOCH, seq: 63 }]));
    queue.end();
    await running;
  });

  test('makes the sender wait while the store is behind, and stores everything in the end', async () => {
    const gate = Promise.withResolvers<void>();
    const works = store.appendEntries.bind(store);
    vi.spyOn(store, 'appendEntries').mockImplementation(async (to, entries) => {
      await gate.promise;
      return works(to, entries);
    });
    const running = queue.run();
    let pushed = 0;
    const pushing = (async () => {
      for (; pushed < 400; pushed++) await queue.push(frame(pushed));
    })();
    await clock.advance(50);
    expect(pushed).toBeLessThan(200);
    gate.resolve();
    await pushing;
    queue.end();
    await running;
    expect(store.entriesOf(gateway)).toHaveLength(400);
    expect(acks.at(-1)).toEqual({ epoch: EPOCH, seq: 399 });
  });

  test('keeps an entry that cannot be read as a gap between its neighbours', async () => {
    const running = queue.run();
    const spoilt: JournalEntry = { kind: 'frame', epoch: EPOCH, seq: 1, seqEnd: 1, bytes: new Uint8Array(9) };
    for (const entry of [frame(0), spoilt, frame(2)]) await queue.push(entry);
    queue.end();
    await running;
    expect(acks).toEqual([{ epoch: EPOCH, seq: 2 }]);
    expect(store.entriesOf(gateway)).toMatchObject([
      { kind: 'frame', seq: 0 },
      { kind: 'gap', seq: 1, seqEnd: 1, gap: { reason: 'unreadable', fromMs: 0, toMs: 2000 } },
      { kind: 'frame', seq: 2 },
    ]);
  });

  test('does not store past a hole', async () => {
    const running = queue.run();
    for (const entry of [frame(0), frame(2)]) await queue.push(entry);
    queue.end();
    await expect(running).rejects.toThrow(InvalidInputError);
    expect(acks).toEqual([]);
  });

  test('ends with the failure of the store, and holds nobody up after that', async () => {
    vi.spyOn(store, 'appendEntries').mockRejectedValue(new UnavailableError('DATABASE_AWAY', 'gone'));
    const running = expect(queue.run()).rejects.toMatchObject({ code: 'DATABASE_AWAY' });
    for (let seq = 0; seq < 300; seq++) await queue.push(frame(seq));
    await running;
  });
});

function frame(seq: number): JournalEntry {
  const batch = new SampleBatch(1);
  batch.pushNumber(PointNo.parse(0), seq * 1000, seq * 1000, seq);
  const writer = new FrameWriter();
  writer.append(batch);
  return { kind: 'frame', epoch: EPOCH, seq, seqEnd: seq, bytes: writer.seal({ epoch: EPOCH, seq }) };
}
