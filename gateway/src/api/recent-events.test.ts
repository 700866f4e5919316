import { type EventRecord, UnavailableError } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { expect, it } from 'vitest';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { RecentEvents } from './recent-events.ts';

const event = (no: number): EventRecord => ({
  id: `evt_${no}`,
  atMs: no,
  type: 'config.changed',
  message: `event ${no}`,
});

async function open(file: MemoryKvFile): Promise<{ recent: RecentEvents; clock: MemoryClock }> {
  const clock = new MemoryClock();
  const journal = { appendEvent: async () => ({ epoch: 1, seq: 1 }) };
  const recent = new RecentEvents({ clock, logger: new MemoryLogger(), journal, kv: await file.open() });
  await recent.start();
  return { recent, clock };
}

const messages = (recent: RecentEvents) => recent.recent().map(({ message }) => message);

it('are known again after a restart, newest first, two hundred at most', async () => {
  const file = new MemoryKvFile();
  const first = await open(file);
  for (let no = 0; no < 150; no++) await first.recent.appendEvent(event(no));
  await first.recent.stop();

  const second = await open(file);
  expect(messages(second.recent).slice(0, 2)).toEqual(['event 149', 'event 148']);
  for (let no = 150; no < 260; no++) await second.recent.appendEvent(event(no));
  await second.clock.advance(1000);

  const third = await open(file);
  expect(messages(third.recent)).toHaveLength(200);
  expect(messages(third.recent).at(0)).toBe('event 259');
  expect(messages(third.recent).at(-1)).toBe('event 60');
});

it('that came while the earlier ones were being read stand before them', async () => {
  const file = new MemoryKvFile();
  const first = await open(file);
  await first.recent.appendEvent(event(1));
  await first.recent.stop();
  const journal = { appendEvent: async () => ({ epoch: 1, seq: 1 }) };
  const recent = new RecentEvents({
    clock: new MemoryClock(),
    logger: new MemoryLogger(),
    journal,
    kv: await file.open(),
  });
  const starting = recent.start();
  await recent.appendEvent(event(2));
  await starting;
  expect(messages(recent)).toEqual(['event 2', 'event 1']);
});

it('go on to the journal when their copy cannot be written', async () => {
  const file = new MemoryKvFile();
  const { recent, clock } = await open(file);
  file.writeFault = new UnavailableError('KV_DISK_FULL', 'the disk is full');
  await expect(recent.appendEvent(event(1))).resolves.toEqual({ epoch: 1, seq: 1 });
  await clock.advance(1000);
  await recent.stop();
  expect(messages(recent)).toEqual(['event 1']);
});
