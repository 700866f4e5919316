import { decodeFrame, type JournalEntry, type PointNo, SampleBatch } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { describe, expect, it } from 'vitest';
import { JournalConfig } from './config.ts';
import { MemoryKvFile } from './kv/memory-kv.ts';
import { KvJournal } from './kv-journal.ts';

const HOURS = 72;
const STEP_MS = 10_000;
const STEPS = (HOURS * 3_600_000) / STEP_MS;
/** Ten points, one value a second each. */
const ROWS = 100;

interface Drained {
  readonly kept: number;
  readonly gaps: readonly { readonly fromMs: number; readonly toMs: number; readonly samples: number }[];
  /** Source time of the first sample kept. */
  readonly firstMs: number;
}

describe(`${HOURS} hours without a region`, () => {
  const startMs = Date.UTC(2026, 0, 1);

  async function offline(
    maxBytes: number,
  ): Promise<{ journal: KvJournal; file: MemoryKvFile; sent: number }> {
    const clock = new MemoryClock(startMs);
    const file = new MemoryKvFile();
    const journal = new KvJournal(
      { clock, logger: new MemoryLogger(), file },
      JournalConfig.parse({ maxBytes }),
    );
    await journal.start();
    const batch = new SampleBatch(ROWS);
    for (let step = 0; step < STEPS; step++) {
      batch.clear();
      for (let row = 0; row < ROWS; row++) {
        const atMs = startMs + step * STEP_MS + 1000 * Math.floor(row / 10);
        const value = Math.round(2000 + 500 * Math.sin(atMs / 600_000 + row) + (atMs % 7)) / 100;
        batch.pushNumber((row % 10) as PointNo, atMs, atMs, value);
      }
      journal.append(batch);
      await clock.advance(STEP_MS);
      await journal.flush();
    }
    await journal.stop();
    const again = new KvJournal(
      { clock, logger: new MemoryLogger(), file },
      JournalConfig.parse({ maxBytes }),
    );
    await again.start();
    return { journal: again, file, sent: STEPS * ROWS };
  }

  /** As the uplink does it: reads on, and releases what was acknowledged. */
  async function drain(journal: KvJournal): Promise<Drained> {
    const newest = new Float64Array(10);
    const gaps: { fromMs: number; toMs: number; samples: number }[] = [];
    let kept = 0;
    let firstMs = Number.POSITIVE_INFINITY;
    let next = 0;
    for (;;) {
      const entries: JournalEntry[] = await journal.entriesAfter(null, 64);
      const last = entries.at(-1);
      if (last === undefined) return { kept, gaps, firstMs };
      for (const entry of entries) {
        expect(entry.seq).toBe(next);
        next = entry.seqEnd + 1;
        if (entry.kind === 'gap' && entry.gap.reason === 'journal-full') {
          gaps.push({ fromMs: entry.gap.fromMs, toMs: entry.gap.toMs, samples: entry.gap.samples ?? 0 });
        }
        if (entry.kind !== 'frame') continue;
        const frame = decodeFrame(entry.bytes);
        const batch = new SampleBatch(frame.header.sampleCount);
        kept += frame.readAll(batch);
        firstMs = Math.min(firstMs, frame.header.firstMs);
        for (let row = 0; row < batch.length; row++) {
          const point = batch.point[row] ?? 0;
          const atMs = batch.tSourceMs[row] ?? 0;
          if (atMs <= (newest[point] ?? 0)) expect.fail(`sample of ${atMs} comes after ${newest[point]}`);
          newest[point] = atMs;
        }
      }
      await journal.release({ epoch: last.epoch, seq: last.seqEnd });
    }
  }

  it('loses nothing within the bound, and drains in order', { timeout: 120_000 }, async () => {
    const { journal, file, sent } = await offline(256 * 1024 * 1024);
    expect(await drain(journal)).toMatchObject({ kept: sent, gaps: [] });
    expect(journal.stats()).toMatchObject({ entries: 0, bytes: 0, droppedSamples: 0 });
    await journal.stop();
    expect(file.sizeBytes).toBeLessThan(10_000);
  });

  it('keeps the newest beyond the bound, and says exactly what went', { timeout: 120_000 }, async () => {
    const { journal, sent } = await offline(3 * 1024 * 1024);
    expect(journal.stats().bytes).toBeLessThanOrEqual(3 * 1024 * 1024);
    const { kept, gaps, firstMs } = await drain(journal);
    expect(gaps).toHaveLength(1);
    const [gap] = gaps;
    expect(kept).toBeGreaterThan(sent / 10);
    expect((gap?.samples ?? 0) + kept).toBe(sent);
    expect(gap?.fromMs).toBe(startMs);
    expect(gap?.toMs).toBe(firstMs - 1000);
    await journal.stop();
  });
});
