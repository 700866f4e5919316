import {
  decodeFrame,
  type EventRecord,
  type JournalEntry,
  MAX_FRAME_BYTES,
  type PointNo,
  type Sample,
  SampleBatch,
} from '@millwright/protocol';
import type { MemoryClock } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JournalConfig } from './config.ts';
import type { Journal } from './journal.ts';

export interface JournalHarness {
  readonly clock: MemoryClock;
  /** Opens the same journal again; the one opened before must have stopped, or been forgotten like a killed process. */
  open(config?: Partial<JournalConfig>): Journal;
}

/** What every journal keeps; run for each store. */
export function journalContract(create: () => Promise<JournalHarness>): void {
  describe('a journal', () => {
    let harness: JournalHarness;
    let journal: Journal;

    beforeEach(async () => {
      harness = await create();
      journal = harness.open();
      await journal.start();
    });

    afterEach(async () => {
      await journal.stop();
    });

    async function restart(config: Partial<JournalConfig> = {}): Promise<void> {
      await journal.stop();
      journal = harness.open(config);
      await journal.start();
    }

    it('keeps every kind of value, in order, over a restart', async () => {
      const batch = new SampleBatch(10);
      const values = [1.5, -0, Number.NaN, Number.POSITIVE_INFINITY, true, -5n, 2n ** 64n - 1n, 'håll', null];
      values.forEach((value, row) => {
        batch.push(1 as PointNo, 1000 + row, 2000 + row, value, value === null ? 9 : 0);
      });
      journal.append(batch);
      batch.clear();
      await restart();
      const samples = samplesOf(await everything(journal));
      expect(samples.map((sample) => sample.v)).toEqual(values);
      expect(samples.map((sample) => sample.tSource)).toEqual(values.map((_, row) => 1000 + row));
      expect(samples.map((sample) => sample.tGateway)).toEqual(values.map((_, row) => 2000 + row));
    });

    it('shows nothing before it is sealed, and tells when it is', async () => {
      const sealed = vi.fn();
      journal.onSealed(sealed);
      journal.append(rows(0, 10));
      await journal.flush();
      expect(await everything(journal)).toEqual([]);
      await harness.clock.advance(60_000);
      await vi.waitFor(() => expect(sealed).toHaveBeenCalledTimes(1));
      expect(samplesOf(await everything(journal))).toHaveLength(10);
    });

    it('stops calling a listener that was taken away', async () => {
      const sealed = vi.fn();
      journal.onSealed(sealed)();
      await journal.appendEvent(event('e1'));
      expect(sealed).not.toHaveBeenCalled();
    });

    it('writes samples within the promised time without being asked', async () => {
      journal.append(rows(0, 10));
      expect(journal.stats().pendingSamples).toBe(10);
      await harness.clock.advance(1000);
      await vi.waitFor(() => expect(journal.stats().pendingSamples).toBe(0));
    });

    it('seals a frame when it is full, never larger than the wire allows', async () => {
      for (let no = 0; no < 40; no++) journal.append(noise(no * 500, 500));
      await journal.flush();
      await restart();
      const entries = await everything(journal);
      const frames = entries.filter((entry) => entry.kind === 'frame');
      expect(frames.length).toBeGreaterThan(1);
      for (const frame of frames) expect(frame.bytes.byteLength).toBeLessThanOrEqual(MAX_FRAME_BYTES);
      expect(samplesOf(entries).map((sample) => sample.tSource)).toEqual(
        Array.from({ length: 20_000 }, (_, at) => at),
      );
    });

    it('numbers frames, events and gaps without a hole, samples before the event they came before', async () => {
      journal.append(rows(0, 5));
      const first = await journal.appendEvent(event('e1'));
      const second = await journal.appendGap({ reason: 'clock-jump', fromMs: 1, toMs: 2 });
      journal.append(rows(5, 5));
      await restart();
      const entries = await everything(journal);
      expect(entries.map((entry) => entry.kind)).toEqual(['frame', 'event', 'gap', 'gap']);
      expect(entries.map((entry) => entry.seq)).toEqual([0, 1, 2, 3]);
      expect(first).toEqual({ epoch: journal.epoch, seq: 1 });
      expect(second).toEqual({ epoch: journal.epoch, seq: 2 });
      expect(
        samplesOf(entries)
          .slice(0, 5)
          .map((sample) => sample.v),
      ).toEqual([0, 1, 2, 3, 4]);
    });

    it('shows an event at once when no frame is open', async () => {
      const position = await journal.appendEvent(event('e1'));
      expect(await everything(journal)).toMatchObject([
        { kind: 'event', seq: position.seq, event: { id: 'e1' } },
      ]);
    });

    it('shows an event within a second while a frame is open, and many events with few frames', async () => {
      for (let second = 0; second < 60; second++) {
        journal.append(rows(second, 1));
        await journal.appendEvent(event(`e${second}`));
        await harness.clock.advance(1000);
        await journal.flush();
        if (second === 1) expect((await everything(journal)).map((entry) => entry.kind)).toContain('event');
      }
      await restart();
      const entries = await everything(journal);
      expect(entries.filter((entry) => entry.kind === 'event')).toHaveLength(60);
      expect(entries.filter((entry) => entry.kind === 'frame').length).toBeLessThan(20);
      expect(samplesOf(entries)).toHaveLength(60);
    });

    it('refuses an event nobody could carry', async () => {
      const data = { text: 'x'.repeat(100_000) };
      await expect(journal.appendEvent({ ...event('big'), data })).rejects.toMatchObject({
        code: 'NOTE_TOO_LARGE',
      });
    });

    it('hands out entries after a position, no more than asked for', async () => {
      for (let no = 0; no < 10; no++) await journal.appendEvent(event(`e${no}`));
      const { epoch } = journal;
      const seqs = async (position: { epoch: number; seq: number } | null, limit: number) =>
        (await journal.entriesAfter(position, limit)).map((entry) => entry.seq);
      expect(await seqs(null, 3)).toEqual([0, 1, 2]);
      expect(await seqs({ epoch, seq: 6 }, 100)).toEqual([7, 8, 9]);
      expect(await seqs({ epoch, seq: 9 }, 100)).toEqual([]);
      expect(await seqs({ epoch: epoch - 1, seq: 500 }, 2)).toEqual([0, 1]);
    });

    it('frees what was released, and only that', async () => {
      for (let no = 0; no < 100; no++) await journal.appendEvent(event(`e${no}`));
      const { epoch } = journal;
      await journal.release({ epoch: epoch - 1, seq: 50 });
      expect(journal.stats().entries).toBe(100);
      await journal.release({ epoch, seq: 89 });
      expect(journal.stats()).toMatchObject({ entries: 10, firstSeq: 90, lastSeq: 99 });
      expect((await journal.entriesAfter(null, 1))[0]?.seq).toBe(90);
      await journal.release({ epoch, seq: 1_000_000 });
      expect(journal.stats()).toMatchObject({ entries: 0, bytes: 0, firstSeq: 100, lastSeq: 99 });
      await journal.appendEvent(event('next'));
      expect((await everything(journal)).map((entry) => entry.seq)).toEqual([100]);
      await restart();
      expect((await everything(journal)).map((entry) => entry.seq)).toEqual([100, 101]);
    });

    it('says how long nothing was recorded when it was not running', async () => {
      journal.append(rows(0, 1));
      await restart();
      const { epoch } = journal;
      await harness.clock.advance(5000);
      const stoppedMs = harness.clock.wallMs();
      await journal.stop();
      await harness.clock.advance(60_000);
      journal = harness.open();
      await journal.start();
      expect(journal.epoch).toBe(epoch);
      const gaps = (await everything(journal)).filter((entry) => entry.kind === 'gap');
      expect(gaps.at(-1)?.gap).toEqual({
        reason: 'gateway-down',
        fromMs: stoppedMs,
        toMs: stoppedMs + 60_000,
      });
    });

    it('says from when on it lost what was not on disk, however lately it wrote something else', async () => {
      journal.append(rows(0, 10));
      await restart();
      await harness.clock.advance(5000);
      const firstLostMs = harness.clock.wallMs();
      const waiting = new SampleBatch(1);
      waiting.pushNumber(1 as PointNo, firstLostMs, firstLostMs, 4711);
      journal.append(waiting);
      await harness.clock.advance(100);
      const { epoch } = journal;
      await journal.release({ epoch, seq: 0 });
      expect(journal.stats().pendingSamples).toBe(1);
      const killed = journal;
      journal = harness.open();
      await journal.start();
      const entries = await everything(journal);
      expect(samplesOf(entries)).toEqual([]);
      expect(entries.at(-1)).toMatchObject({ gap: { reason: 'gateway-down', fromMs: firstLostMs } });
      await killed.stop();
    });

    it('can be stopped before it was started, and both twice', async () => {
      const other = harness.open();
      await other.stop();
      await Promise.all([journal.start(), journal.start()]);
      await Promise.all([journal.stop(), journal.stop()]);
      await expect(journal.flush()).rejects.toMatchObject({ code: 'JOURNAL_STOPPED' });
      await expect(journal.appendEvent(event('late'))).rejects.toMatchObject({ code: 'JOURNAL_STOPPED' });
    });

    it('drops the oldest frames when it is full, keeps the events, and says exactly what went', async () => {
      await restart({ maxBytes: 2 * 1024 * 1024 });
      let sent = 0;
      for (let round = 0; round < 400; round++) {
        journal.append(noise(sent, 500));
        sent += 500;
        if (round % 100 === 50) await journal.appendEvent(event(`e${round}`));
        await journal.flush();
      }
      await restart({ maxBytes: 2 * 1024 * 1024 });
      expect(journal.stats().bytes).toBeLessThanOrEqual(2 * 1024 * 1024);
      const entries = await everything(journal);
      const events = entries.filter((entry) => entry.kind === 'event');
      expect(events.map((entry) => entry.event.id)).toEqual(['e50', 'e150', 'e250', 'e350']);
      const gaps = entries.filter((entry) => entry.kind === 'gap' && entry.gap.reason === 'journal-full');
      const lost = gaps.reduce(
        (sum, entry) => sum + (entry.kind === 'gap' ? (entry.gap.samples ?? 0) : 0),
        0,
      );
      const kept = samplesOf(entries);
      expect(kept.length).toBeGreaterThan(10_000);
      expect(lost + kept.length).toBe(sent);
      expect(gaps.length).toBeLessThanOrEqual(5);
      expect(kept.map((sample) => sample.tSource)).toEqual(
        Array.from({ length: kept.length }, (_, at) => sent - kept.length + at),
      );
    });

    it('continues for a reader whose next entry went into a gap meanwhile', async () => {
      await restart({ maxBytes: 2 * 1024 * 1024 });
      const firstRead = async () => (await journal.entriesAfter(null, 1))[0];
      for (let round = 0; (await firstRead()) === undefined; round++) {
        journal.append(noise(round * 500, 500));
        await journal.flush();
      }
      const position = { epoch: journal.epoch, seq: 3 };
      for (let round = 0; round < 800; round++) {
        journal.append(noise(round * 500, 500));
        await journal.flush();
      }
      const [gap, next] = await journal.entriesAfter(position, 2);
      expect(gap).toMatchObject({ kind: 'gap', seq: 4, gap: { reason: 'journal-full' } });
      expect(next?.seq).toBe((gap?.seqEnd ?? 0) + 1);
      await journal.release({ epoch: journal.epoch, seq: 6 });
      const [shrunk] = await journal.entriesAfter(null, 1);
      expect(shrunk).toMatchObject({ kind: 'gap', seq: 7, seqEnd: gap?.seqEnd });
    });
  });
}

/** All entries, checked to be numbered without a hole. */
export async function everything(journal: Journal): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for (;;) {
    const last = entries.at(-1);
    const position = last === undefined ? null : { epoch: last.epoch, seq: last.seqEnd };
    const more = await journal.entriesAfter(position, 50);
    if (more.length === 0) return entries;
    for (const entry of more) {
      const before = entries.at(-1);
      if (before !== undefined) expect(entry.seq).toBe(before.seqEnd + 1);
      entries.push(entry);
    }
  }
}

/** Samples of all frames, in frame order. */
export function samplesOf(entries: readonly JournalEntry[]): Sample[] {
  return entries.flatMap((entry) => {
    if (entry.kind !== 'frame') return [];
    const frame = decodeFrame(entry.bytes);
    expect(frame.header).toMatchObject({ epoch: entry.epoch, seq: entry.seq });
    const batch = new SampleBatch(frame.header.sampleCount);
    frame.readAll(batch);
    return Array.from({ length: batch.length }, (_, row) => batch.sampleAt(row));
  });
}

/** `count` rows of point 1 with values and source times `from …`. */
export function rows(from: number, count: number): SampleBatch {
  const batch = new SampleBatch(count);
  for (let row = 0; row < count; row++) batch.pushNumber(1 as PointNo, from + row, from + row, from + row);
  return batch;
}

/** Like `rows`, with values no codec can compress. */
export function noise(from: number, count: number): SampleBatch {
  const batch = new SampleBatch(count);
  for (let row = 0; row < count; row++) {
    batch.pushNumber(1 as PointNo, from + row, from + row, Math.sin((from + row) * 12.9898) * 43758.5453);
  }
  return batch;
}

export function event(id: string): EventRecord {
  return { id, atMs: 0, type: 'gateway.started', message: 'it began' };
}
