import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { DenoKvFile, JournalConfig, KvJournal } from '@millwright/gateway/testing/journal';
import { decodeFrame, type JournalPosition, SampleBatch } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node/system-clock';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const ROUNDS = process.env.MILLWRIGHT_TEST_ALL === '1' ? 1000 : 200;
/** So many journals are tormented side by side. */
const LANES = 2;
const CHILD = join(import.meta.dirname, 'support', 'journal-child.ts');

/** What a journal that has just been opened holds, freed again so that the next round starts with little. */
interface Held {
  readonly values: readonly number[];
  readonly events: readonly string[];
  readonly gaps: readonly string[];
  readonly last: JournalPosition;
}

describe('a journal whose process is killed at random moments', () => {
  let folder: string;
  const children = new Set<ChildProcess>();

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-kill-'));
  });
  afterEach(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  it(`keeps all it acknowledged, in order and without doubles, ${ROUNDS} times`, {
    timeout: ROUNDS * 3000,
  }, async () => {
    const lanes = Array.from({ length: LANES }, (_, lane) => torment(lane, ROUNDS / LANES));
    const promised = await Promise.all(lanes);
    for (const samples of promised) expect(samples).toBeGreaterThan((ROUNDS / LANES) * 100);
  });

  /** @returns how many samples were promised in all */
  async function torment(lane: number, rounds: number): Promise<number> {
    const path = join(folder, `${lane}.kv`);
    const random = randomFrom(20_261_122 + lane);
    let from = 0;
    let before: JournalPosition | undefined;
    let promised = 0;
    for (let round = 0; round < rounds; round++) {
      const isEarly = round > 0 && random() < 0.1;
      const said = await killOne(path, from, round + 1, { random, isEarly });
      const held = await readAll(path, before);
      const what = `lane ${lane}, round ${round}`;
      expect(held.events, what).toEqual(expect.arrayContaining(said.events));
      expect(new Set(held.events).size, what).toBe(held.events.length);
      expect(held.values, what).toEqual(Array.from({ length: held.values.length }, (_, at) => from + at));
      if (said.upTo !== undefined) expect(held.values.at(-1) ?? -1, what).toBeGreaterThanOrEqual(said.upTo);
      // One for the process that was killed and one for the reader, unless that process never got to work.
      expect(new Set(held.gaps), what).toEqual(new Set(['gateway-down']));
      const starts = said.isReady && round > 0 ? 2 : 1;
      expect(held.gaps.length, what).toBeGreaterThanOrEqual(starts);
      expect(held.gaps.length, what).toBeLessThanOrEqual(2);
      promised += said.upTo === undefined ? 0 : said.upTo - from + 1;
      from += held.values.length;
      before = held.last;
    }
    return promised;
  }

  /** Lets a process write for a while and kills it. @returns what it had promised */
  async function killOne(
    path: string,
    from: number,
    seed: number,
    // One in ten is killed while it starts or repairs what the last one left.
    { random, isEarly }: { readonly random: () => number; readonly isEarly: boolean },
  ): Promise<{ isReady: boolean; upTo: number | undefined; events: string[] }> {
    const started = spawn(process.execPath, [CHILD, path, String(from), String(seed)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'compiled') },
    });
    children.add(started);
    let text = '';
    started.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    const ended = new Promise((resolve) => {
      started.once('close', resolve);
    });
    if (isEarly) await pause(random() * 600);
    else {
      await expect.poll(() => text.includes('ready'), { timeout: 20_000, interval: 5 }).toBe(true);
      await pause(random() * random() * 500);
    }
    started.kill('SIGKILL');
    await ended;
    children.delete(started);
    const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
    const upTo = lines.filter((line) => line.startsWith('s ')).at(-1);
    return {
      isReady: lines.includes('ready'),
      upTo: upTo === undefined ? undefined : Number(upTo.slice(2)),
      events: lines.filter((line) => line.startsWith('e ')).map((line) => line.slice(2)),
    };
  }
});

/** Opens the journal as the next start would, reads all of it, and frees it. */
async function readAll(path: string, before: JournalPosition | undefined): Promise<Held> {
  const file = new DenoKvFile(path);
  const journal = new KvJournal(
    { clock: systemClock, logger: new MemoryLogger(), file },
    JournalConfig.parse({}),
  );
  await journal.start();
  try {
    const values: number[] = [];
    const events: string[] = [];
    const gaps: string[] = [];
    let last = before;
    for (;;) {
      const entries = await journal.entriesAfter(last ?? null, 64);
      if (entries.length === 0) break;
      for (const entry of entries) {
        expect(entry.seq).toBe(last === undefined ? 0 : last.seq + 1);
        if (entry.kind === 'event') events.push(entry.event.id);
        else if (entry.kind === 'gap') gaps.push(entry.gap.reason);
        else values.push(...valuesOf(entry.bytes));
        last = { epoch: entry.epoch, seq: entry.seqEnd };
      }
    }
    expect(journal.stats()).toMatchObject({ droppedSamples: 0, fault: undefined });
    if (last === undefined) throw new RangeError('the journal is empty');
    await journal.release(last);
    return { values, events, gaps, last };
  } finally {
    await journal.stop();
  }
}

/** A frame keeps the order within each of the five points; the values of all of them are in turn. */
function valuesOf(bytes: Uint8Array): number[] {
  const frame = decodeFrame(bytes);
  const batch = new SampleBatch(frame.header.sampleCount);
  frame.readAll(batch);
  const newest = new Map<number, number>();
  for (let row = 0; row < batch.length; row++) {
    const point = batch.point[row] ?? 0;
    const value = batch.value[row] ?? 0;
    // An expectation for each of some millions of samples would take most of the time.
    if (value % 5 !== point) expect.fail(`point ${point} holds the value ${value} of another point`);
    if (value <= (newest.get(point) ?? -1)) expect.fail(`${value} of point ${point} came twice or too late`);
    newest.set(point, value);
  }
  return Array.from(batch.value.subarray(0, batch.length)).sort((a, b) => a - b);
}

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}
