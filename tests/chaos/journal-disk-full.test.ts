import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DenoKvFile, JournalConfig, KvJournal } from '@millwright/gateway/testing/journal';
import { decodeFrame, type JournalEntry, type PointNo, SampleBatch } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node/system-clock';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canMountTmpfs, mountTmpfs } from './support/tmpfs.ts';

const canMount = canMountTmpfs();
if (!canMount)
  console.warn('journal on a full disk: skipped, because mounting a small tmpfs takes root on Linux');

describe.runIf(canMount)('a journal on a disk that fills up', () => {
  let folder: string;
  let journal: KvJournal;
  let logger: MemoryLogger;
  let value = 0;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-full-'));
    mountTmpfs(folder, '4m');
    value = 0;
    logger = new MemoryLogger();
    journal = open();
    await journal.start();
  });
  afterEach(async () => {
    await journal.stop();
    execFileSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  });

  const open = () =>
    new KvJournal(
      { clock: systemClock, logger, file: new DenoKvFile(join(folder, 'journal.kv')) },
      JournalConfig.parse({ durableWithinMs: 50 }),
    );
  const faultIs = (wanted: unknown) =>
    expect.poll(() => journal.stats().fault, { timeout: 20_000 }).toEqual(wanted);

  it('says so, goes on in memory, and writes everything when there is room again', async () => {
    await fill();
    await faultIs(expect.stringContaining('the disk is full'));
    for (let times = 0; times < 20; times++) append(100);
    execFileSync('mount', ['-o', 'remount,size=32m', folder]);
    await faultIs(undefined);
    await journal.flush();
    await journal.appendEvent({ id: 'after', atMs: 1, type: 'disk.recovered', message: 'it is back' });
    const logged = logger.lines.filter(({ message }) => message.startsWith('journal can'));
    expect(logged.map(({ level }) => level)).toEqual(['error', 'info']);
    await journal.stop();
    journal = open();
    await journal.start();
    const entries = await everything();
    expect(valuesOf(entries)).toEqual(Array.from({ length: value }, (_, at) => at));
    expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: entries.length }, (_, at) => at));
  });

  /** Numbers no codec shortens much, so that the disk fills soon. */
  function append(rows: number): void {
    const batch = new SampleBatch(rows);
    for (let row = 0; row < rows; row++, value++) {
      batch.pushNumber(1 as PointNo, value, value, Math.sin(value * 12.9898) * 43_758.5453);
    }
    journal.append(batch);
  }

  async function fill(): Promise<void> {
    while (journal.stats().fault === undefined) {
      append(2000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async function everything(): Promise<JournalEntry[]> {
    const entries: JournalEntry[] = [];
    for (;;) {
      const last = entries.at(-1);
      const after = last === undefined ? null : { epoch: last.epoch, seq: last.seqEnd };
      const more = await journal.entriesAfter(after, 64);
      if (more.length === 0) return entries;
      entries.push(...more);
    }
  }
});

/** The source times, which count up with the values. */
function valuesOf(entries: readonly JournalEntry[]): number[] {
  return entries.flatMap((entry) => {
    if (entry.kind !== 'frame') return [];
    const frame = decodeFrame(entry.bytes);
    const batch = new SampleBatch(frame.header.sampleCount);
    frame.readAll(batch);
    return Array.from(batch.tSourceMs.subarray(0, batch.length));
  });
}
