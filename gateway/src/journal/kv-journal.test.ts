import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnavailableError } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { JournalConfig } from './config.ts';
import { event, everything, journalContract, rows, samplesOf } from './journal.contract.ts';
import { DenoKvFile } from './kv/deno-kv.ts';
import type { KvFile } from './kv/kv.ts';
import { MemoryKvFile } from './kv/memory-kv.ts';
import { KvJournal } from './kv-journal.ts';

const folder = mkdtempSync(join(tmpdir(), 'millwright-journal-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function harnessOn(file: KvFile) {
  const clock = new MemoryClock();
  const logger = new MemoryLogger();
  const open = (config: Partial<JournalConfig> = {}) =>
    new KvJournal({ clock, logger, file }, JournalConfig.parse(config));
  return { clock, logger, open };
}

let count = 0;
describe('on disk', () => {
  journalContract(async () => harnessOn(new DenoKvFile(join(folder, `${count++}.kv`))));
});
describe('in memory', () => {
  journalContract(async () => harnessOn(new MemoryKvFile()));
});

describe('a journal on a failing disk', () => {
  let file: MemoryKvFile;
  let harness: ReturnType<typeof harnessOn>;
  let journal: KvJournal;
  const full = new UnavailableError('KV_DISK_FULL', 'the disk is full');

  beforeEach(async () => {
    file = new MemoryKvFile();
    harness = harnessOn(file);
    journal = harness.open({ maxPendingBytes: 1024 * 1024 });
    await journal.start();
  });

  afterEach(async () => {
    await journal.stop();
  });

  it('waits, says why, and writes everything when the disk is back', async () => {
    const faults: (string | undefined)[] = [];
    journal.onFault((fault) => faults.push(fault));
    file.writeFault = full;
    journal.append(rows(0, 10));
    const flushed = journal.flush();
    const logged = journal.appendEvent(event('during'));
    await vi.waitFor(() => expect(journal.stats().fault).toBe('the disk is full'));
    journal.append(rows(10, 10));
    await harness.clock.advance(120_000);
    file.writeFault = undefined;
    await harness.clock.advance(15_000);
    await flushed;
    await logged;
    expect(journal.stats().fault).toBeUndefined();
    expect(faults).toEqual(['the disk is full', undefined]);
    expect(harness.logger.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    await journal.stop();
    journal = harness.open();
    await journal.start();
    expect(samplesOf(await everything(journal)).map(({ v }) => v)).toEqual(
      Array.from({ length: 20 }, (_, v) => v),
    );
  });

  it('drops the oldest waiting samples beyond its memory, and records how many', async () => {
    file.writeFault = full;
    journal.append(rows(0, 10));
    await harness.clock.advance(1000);
    for (let from = 10; from < 100_010; from += 1000) journal.append(rows(from, 1000));
    expect(journal.stats().pendingSamples).toBeLessThan(40_000);
    file.writeFault = undefined;
    await harness.clock.advance(15_000);
    await journal.flush();
    await journal.stop();
    journal = harness.open();
    await journal.start();
    const entries = await everything(journal);
    const values = samplesOf(entries).map(({ v }) => Number(v));
    const lost = 100_010 - values.length;
    const firstLost = values.findIndex((value, at) => value !== at);
    expect(lost).toBeGreaterThan(60_000);
    expect(values.slice(firstLost)).toEqual(
      Array.from({ length: values.length - firstLost }, (_, at) => firstLost + lost + at),
    );
    const gap = entries.find((entry) => entry.kind === 'gap' && entry.gap.reason === 'disk-error');
    expect(gap).toMatchObject({ gap: { samples: lost, fromMs: firstLost, toMs: firstLost + lost - 1 } });
  });

  it('starts although nothing can be written, and recovers later', async () => {
    journal.append(rows(0, 10));
    await journal.flush();
    file.writeFault = full;
    await journal.stop();
    journal = harness.open();
    await journal.start();
    expect(journal.stats().fault).toBe('the disk is full');
    journal.append(rows(10, 10));
    file.writeFault = undefined;
    await harness.clock.advance(1000);
    await journal.flush();
    await harness.clock.advance(60_000);
    await vi.waitFor(async () => expect(samplesOf(await everything(journal))).toHaveLength(20));
  });

  it('turns a damaged write-ahead record into a gap and keeps the others', async () => {
    for (const from of [0, 10, 20]) {
      journal.append(rows(from, 10));
      await journal.flush();
    }
    file.damage(['wal', 1], (bytes) => bytes.fill(0, 20, 30));
    journal = harness.open();
    await journal.start();
    const entries = await everything(journal);
    expect(samplesOf(entries).map(({ v }) => v)).toEqual(
      [...Array(10).keys(), ...Array(10).keys()].map((v, at) => (at < 10 ? v : v + 20)),
    );
    const gap = entries.find((entry) => entry.kind === 'gap' && entry.gap.reason === 'disk-error');
    expect(gap).toMatchObject({ gap: { fromMs: 9, toMs: 20 } });
  });

  it('keeps its numbers whole when the open frame is lost but an event behind it is not', async () => {
    journal.append(rows(0, 10));
    await journal.appendEvent(event('after'));
    file.damage(['wal', 0], () => Uint8Array.of(1, 2, 3));
    journal = harness.open();
    await journal.start();
    const entries = await everything(journal);
    expect(entries.map(({ seq, kind }) => [seq, kind])).toEqual([
      [0, 'gap'],
      [1, 'event'],
      [2, 'gap'],
    ]);
  });

  it('hands out a damaged frame as a gap', async () => {
    journal.append(rows(0, 10));
    await journal.stop();
    file.damage(['entry', 0], (bytes) => bytes.subarray(0, 40));
    journal = harness.open();
    await journal.start();
    const entries = await everything(journal);
    expect(entries[0]).toMatchObject({ kind: 'gap', seq: 0, seqEnd: 0, gap: { reason: 'disk-error' } });
  });

  it('moves an unreadable store aside and begins a new epoch that says so', async () => {
    const { epoch } = journal;
    await journal.appendEvent(event('old'));
    await journal.stop();
    file.corrupt = true;
    await harness.clock.advance(1000);
    journal = harness.open();
    await journal.start();
    expect(journal.epoch).toBeGreaterThan(epoch);
    expect(await everything(journal)).toMatchObject([
      { kind: 'gap', seq: 0, gap: { reason: 'journal-reset' } },
    ]);
    expect(file.aside).toHaveLength(1);
  });

  it('begins anew while running when the store turns out to be damaged, and goes on', async () => {
    const { epoch } = journal;
    journal.append(rows(0, 10));
    await journal.flush();
    file.writeFault = new UnavailableError('KV_CORRUPT', 'the file is damaged');
    const logged = journal.appendEvent(event('during'));
    await vi.waitFor(() => expect(journal.stats().fault).toBeDefined());
    file.writeFault = undefined;
    await harness.clock.advance(1000);
    expect((await logged).epoch).toBe(journal.epoch);
    expect(journal.epoch).toBeGreaterThan(epoch);
    journal.append(rows(10, 10));
    await journal.stop();
    journal = harness.open();
    await journal.start();
    const entries = await everything(journal);
    expect(entries.map(({ kind }) => kind)).toEqual(['gap', 'event', 'frame', 'gap']);
    expect(samplesOf(entries).map(({ v }) => v)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  });

  it('takes what a power cut left: the head of a store and nothing that was not promised', async () => {
    journal.append(rows(0, 10));
    await journal.flush();
    journal.append(rows(10, 10));
    const next = harness.open();
    await next.start();
    const entries = await everything(next);
    expect(samplesOf(entries)).toHaveLength(10);
    expect(entries.at(-1)).toMatchObject({ kind: 'gap', gap: { reason: 'gateway-down' } });
    await next.stop();
  });
});
