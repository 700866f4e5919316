import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { anomalySentence, DetectorBank, Transition } from './detector-bank.ts';

const nab = join(dirname(fileURLToPath(import.meta.url)), '../../../../shared/data/nab');

/** A deterministic wobble around `centre` (no random source: the test must repeat exactly). */
const wobble = (i: number, centre: number, size: number) =>
  centre + size * Math.sin(i * 12.9898) * Math.cos(i * 4.1414);

function feed(bank: DetectorBank, values: Iterable<number>): { raisedAt: number[]; clearedAt: number[] } {
  const raisedAt: number[] = [];
  const clearedAt: number[] = [];
  let i = 0;
  for (const value of values) {
    const transition = bank.observe(0, value);
    if (transition === Transition.raised) raisedAt.push(i);
    if (transition === Transition.cleared) clearedAt.push(i);
    i += 1;
  }
  return { raisedAt, clearedAt };
}

describe('DetectorBank', () => {
  it('stays quiet on a steady noisy signal', () => {
    const bank = new DetectorBank(1);
    expect(
      feed(
        bank,
        Array.from({ length: 20_000 }, (_, i) => wobble(i, 60, 0.5)),
      ).raisedAt,
    ).toEqual([]);
  });

  it('follows slow drift without an alarm', () => {
    const bank = new DetectorBank(1);
    expect(
      feed(
        bank,
        Array.from({ length: 20_000 }, (_, i) => wobble(i, 60 + i * 0.001, 0.5)),
      ).raisedAt,
    ).toEqual([]);
  });

  it('raises on a jump, accepts the new level and clears', () => {
    const bank = new DetectorBank(1);
    const values = Array.from({ length: 2000 }, (_, i) => wobble(i, i < 1000 ? 60 : 75, 0.5));
    const { raisedAt, clearedAt } = feed(bank, values);
    expect(raisedAt).toEqual([1002]);
    expect(clearedAt).toHaveLength(1);
  });

  it('is not moved by a single outlier, nor raises for it', () => {
    const bank = new DetectorBank(1);
    const values = Array.from({ length: 1000 }, (_, i) => (i === 500 ? 1e6 : wobble(i, 60, 0.5)));
    expect(feed(bank, values).raisedAt).toEqual([]);
    expect(bank.baseline(0).expected).toBeCloseTo(60, 0);
  });

  it('ignores values that are not numbers and keeps constant signals at score 0', () => {
    const bank = new DetectorBank(1);
    for (let i = 0; i < 200; i += 1) bank.observe(0, i % 10 === 0 ? Number.NaN : 5);
    expect(bank.score(0)).toBe(0);
    expect(bank.baseline(0).seen).toBe(180);
  });

  it('keeps slots apart', () => {
    const bank = new DetectorBank(2);
    for (let i = 0; i < 500; i += 1) {
      bank.observe(0, wobble(i, 10, 0.1));
      bank.observe(1, wobble(i, 1000, 50));
    }
    expect(bank.baseline(0).expected).toBeCloseTo(10, 0);
    expect(Math.abs(bank.baseline(1).expected - 1000)).toBeLessThan(60);
  });

  it('says what it saw in one sentence', () => {
    const text = anomalySentence('Pump 1 bearing temperature', 92.125, 'Cel', {
      expected: 60.2,
      spread: 0.8,
      seen: 100,
    });
    expect(text).toBe(
      'Pump 1 bearing temperature is 92.13 Cel, expected about 60.2 Cel: 40 times its usual distance from that',
    );
  });
});

describe.skipIf(!existsSync(nab))(
  'DetectorBank on the recordings of the Numenta benchmark (skipped where they are absent)',
  () => {
    it('scores labelled windows higher than the rest, and raises in more of them than chance would', () => {
      const windows = JSON.parse(readFileSync(join(nab, 'windows.json'), 'utf8')) as Record<
        string,
        [string, string][]
      >;
      let windowsTotal = 0;
      let windowsHit = 0;
      let insideShare = 0;
      let alarmsInside = 0;
      let alarmsOutside = 0;
      let rowsInside = 0;
      let rowsOutside = 0;
      for (const folder of ['realKnownCause', 'realTraffic', 'artificialWithAnomaly']) {
        if (!existsSync(join(nab, folder))) continue;
        for (const file of readdirSync(join(nab, folder)).filter((name) => name.endsWith('.csv'))) {
          const spans = (windows[`${folder}/${file}`] ?? []).map(
            ([from, to]) => [Date.parse(`${from}Z`), Date.parse(`${to}Z`)] as const,
          );
          const rows = parse(readFileSync(join(nab, folder, file)), { columns: true }) as {
            timestamp: string;
            value: string;
          }[];
          const bank = new DetectorBank(1);
          const hit = new Set<number>();
          for (const row of rows) {
            const atMs = Date.parse(`${row.timestamp.replace(' ', 'T')}Z`);
            const span = spans.findIndex(([from, to]) => atMs >= from && atMs <= to);
            if (span >= 0) rowsInside += 1;
            else rowsOutside += 1;
            if (bank.observe(0, Number(row.value)) !== Transition.raised) continue;
            if (span >= 0) {
              hit.add(span);
              alarmsInside += 1;
            } else alarmsOutside += 1;
          }
          windowsTotal += spans.length;
          windowsHit += hit.size;
        }
      }
      insideShare = rowsInside / (rowsInside + rowsOutside);
      expect(windowsTotal).toBeGreaterThan(10);
      expect(windowsHit).toBeGreaterThan(0);
      expect(alarmsInside / (alarmsInside + alarmsOutside)).toBeGreaterThan(2 * insideShare);
    });
  },
);
