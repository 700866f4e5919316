import { describe, expect, it } from 'vitest';
import type { PointNo } from '../ids.ts';
import { SampleBatch } from '../samples/batch.ts';
import { bad } from '../samples/quality.ts';
import type { Value } from '../samples/value.ts';
import { FrameWriter } from './frame-writer.ts';
import { rowsOf } from './testing/rows.ts';
import { readFrame, sealAll } from './testing/seal.ts';

const T0 = Date.UTC(2026, 5, 1, 12);

/** Seeded, evenly spread in 0 … 1. */
function dice(seed = 1): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function bigFrom(random: () => number): bigint {
  return (BigInt(Math.floor(random() * 2 ** 32)) << 32n) | BigInt(Math.floor(random() * 2 ** 32));
}

/** Values spread evenly, which no clever form packs better than the plain ones the bound is made of. */
const COLUMNS: Readonly<Record<string, (random: () => number, row: number) => Value>> = {
  'decimals of one length': (random) => Math.round(random() * 1e6) / 1e3,
  'decimals of every length': (random) => Number((random() * 1e3).toFixed(Math.floor(random() * 12))),
  'scaled raw numbers': (random) => Math.round(random() * 60_000) * 0.01,
  'decimals a unit in the last place off': (random) =>
    (512_000 + Math.round(random() * 5e5)) / 1e3 + Math.round(random()) * 2 ** -43,
  'float32 numbers': (random) => Math.fround(random() * 100),
  doubles: (random) => random() * 10 ** Math.floor(random() * 600 - 300),
  'whole numbers': (random) => Math.round(random() * 2 ** 31),
  'counters in steps': (random, row) => row * 1000 + Math.floor(random() * 999),
  '64-bit integers': (random) => bigFrom(random),
  'integers at the edge of 2^50': (_, row) => BigInt(row % 2 === 0 ? 2 ** 50 : -(2 ** 50)) - BigInt(row % 7),
  booleans: (random) => random() < 0.5,
  texts: (random) => `state ${Math.floor(random() * 900)}`,
  'all kinds by turns': (random, row) =>
    [random(), bigFrom(random), row % 3 === 0, 'x', null][row % 5] ?? null,
  'zeros of both signs': (random) => (random() < 0.5 ? 0 : -0),
};

const CADENCES: Readonly<Record<string, (random: () => number, row: number) => readonly [number, number]>> = {
  'steady times': (_, row) => [T0 + 1000 * row, T0 + 1000 * row],
  'jittering times': (random, row) => {
    const tSourceMs = T0 + 1000 * row + Math.floor(100 * random());
    return [tSourceMs, tSourceMs + Math.floor(30 * random())];
  },
  'times in no order': (random) => {
    const tSourceMs = T0 + Math.floor(3e9 * random());
    return [tSourceMs, tSourceMs - Math.floor(1000 * random())];
  },
  'times with fractions': (random, row) => [T0 + row + random(), T0 + row + random()],
};

describe('the bound a writer keeps', () => {
  for (const [name, value] of Object.entries(COLUMNS)) {
    it(`holds for ${name}, at any times and number of points`, () => {
      for (const [cadence, times] of Object.entries(CADENCES)) {
        for (const points of [1, 40, 700]) {
          const random = dice(points);
          const batch = new SampleBatch(5000);
          for (let row = 0; row < batch.capacity; row++) {
            const [tSourceMs, tGatewayMs] = times(random, row);
            const quality = name === 'doubles' && row % 50 === 0 ? bad('timeout') : 0;
            batch.push((3 * (row % points)) as PointNo, tSourceMs, tGatewayMs, value(random, row), quality);
          }
          expectBoundKept(batch, `${points} points at ${cadence}`);
        }
      }
    });
  }
});

function expectBoundKept(batch: SampleBatch, what: string): void {
  const writer = new FrameWriter();
  const frames: Uint8Array[] = [];
  for (let row = 0; row < batch.length; ) {
    // In steps, to meet the bound at other places than a full frame.
    row += writer.append(batch, row, Math.min(batch.length, row + 500 + (row % 1777)));
    const bound = writer.boundBytes;
    const bytes = writer.seal({ epoch: 0, seq: 0 });
    expect(bytes.length, what).toBeLessThanOrEqual(bound);
    frames.push(bytes);
  }
  expect(rowsOf(frames.map(readFrame)), what).toEqual(rowsOf([batch]));
}

describe('bytes per sample', () => {
  /** Points that wander by small steps with 1 to 3 decimals, each sampled every second. */
  function plant(points: number, seconds: number, own: (random: () => number, ms: number) => number): number {
    const random = dice(7);
    const values = Array.from({ length: points }, () => 200 * random());
    const batch = new SampleBatch(points * seconds);
    for (let second = 0; second < seconds; second++) {
      for (let point = 0; point < points; point++) {
        const value = (values[point] as number) + random() - 0.5;
        values[point] = value;
        const ms = own(random, T0 + 1000 * second);
        batch.pushNumber(point as PointNo, ms, ms, Number(value.toFixed(1 + (point % 3))));
      }
    }
    return sealAll(batch).reduce((bytes, frame) => bytes + frame.length, 0) / batch.length;
  }

  it('stay under 1.5 at ten samples a second from one device, a frame a minute', () => {
    expect(plant(10, 60, (_, ms) => ms)).toBeLessThan(1.5);
  });

  it('stay under 2.3 when each of ten points has times of its own', () => {
    expect(plant(10, 60, (random, ms) => ms + Math.floor(5 * random()))).toBeLessThan(2.3);
  });

  it('stay under 1.8 when ten thousand points leave room for two samples each', () => {
    expect(plant(10_000, 6, (_, ms) => ms)).toBeLessThan(1.8);
  });
});
