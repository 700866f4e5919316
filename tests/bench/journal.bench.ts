import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DenoKvFile, JournalConfig, KvJournal } from '@millwright/gateway/testing';
import { type PointNo, SampleBatch } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node/system-clock';
import { MemoryLogger } from '@millwright/protocol/testing';
import type { BenchResult } from './result.ts';

export const name = 'journal';

const POINTS = 1000;
const BATCH_ROWS = 1000;
const RUN_MS = 5000;
/** More is not held in memory while the disk catches up. */
const MAX_PENDING = 200_000;

/** How many samples a second reach the disk when they come as fast as they can be taken. */
export async function run(): Promise<BenchResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'millwright-bench-'));
  try {
    await measure(folder, 1000);
    const { samplesPerS, bytesPerSample } = await measure(folder, RUN_MS);
    const what = `${POINTS} points with two decimals, one value a second each, batches of ${BATCH_ROWS}`;
    return [
      {
        key: 'journal.durable.samplesPerS',
        value: samplesPerS,
        unit: 'samples/s',
        target: '≥ 5e5',
        note: `append to fsync, one process: ${what}`,
      },
      {
        key: 'journal.bytesPerSample',
        value: bytesPerSample,
        unit: 'bytes',
        note: `sealed frames on disk: ${what}`,
      },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(
  folder: string,
  runMs: number,
): Promise<{ readonly samplesPerS: number; readonly bytesPerSample: number }> {
  const file = new DenoKvFile(join(folder, `${runMs}.kv`));
  const journal = new KvJournal(
    { clock: systemClock, logger: new MemoryLogger(), file },
    JournalConfig.parse({}),
  );
  await journal.start();
  const batch = readings();
  const startMs = performance.now();
  let samples = 0;
  for (let second = 0; performance.now() - startMs < runMs; second++) {
    advance(batch, second);
    journal.append(batch);
    samples += batch.length;
    do await nextTurn();
    while (journal.stats().pendingSamples > MAX_PENDING);
  }
  await journal.flush();
  const tookS = (performance.now() - startMs) / 1000;
  const { droppedSamples, fault } = journal.stats();
  await journal.stop();
  if (droppedSamples > 0 || fault !== undefined) {
    throw new RangeError(`the journal lost ${droppedSamples} samples: ${fault ?? 'it was full'}`);
  }
  return { samplesPerS: samples / tookS, bytesPerSample: journal.stats().bytes / samples };
}

/** One value of every point. */
function readings(): SampleBatch {
  const batch = new SampleBatch(BATCH_ROWS);
  for (let row = 0; row < BATCH_ROWS; row++) batch.pushNumber((row % POINTS) as PointNo, 0, 0, 0);
  return batch;
}

/** The next second: each point wanders by a few hundredths; polling jitters by a millisecond. */
function advance(batch: SampleBatch, second: number): void {
  const atMs = Date.UTC(2026, 0, 1) + second * 1000;
  for (let row = 0; row < batch.length; row++) {
    const jitter = (row * 7 + second * 13) % 3;
    batch.tSourceMs[row] = atMs + jitter;
    batch.tGatewayMs[row] = atMs + jitter;
    const wander = ((row * 31 + second * 17) % 11) - 5;
    const before = second === 0 ? 2000 + 10 * row : Math.round((batch.value[row] as number) * 100);
    batch.value[row] = (before + wander) / 100;
  }
}
