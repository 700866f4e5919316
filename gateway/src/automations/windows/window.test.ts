import type { AggregateSpec, WindowSpec } from '@millwright/protocol/automation';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createWindow } from './window.ts';

interface Sample {
  readonly atMs: number;
  readonly value: number;
}

const KINDS = ['min', 'max', 'avg', 'stddev', 'rate', 'sum', 'count', 'first', 'last'] as const;
const aggregates: readonly AggregateSpec[] = [
  ...KINDS.map((kind) => ({ kind })),
  ...[0, 50, 95, 100].map((percent) => ({ kind: 'percentile' as const, percent })),
];

/** What a window must say, worked out anew from all its samples. */
function naive(samples: readonly Sample[], of: AggregateSpec): number {
  const values = samples.map(({ value }) => value);
  const [first] = samples;
  const last = samples.at(-1);
  if (of.kind === 'count') return values.length;
  if (first === undefined || last === undefined) return Number.NaN;
  const sum = values.reduce((a, b) => a + b, 0);
  const mean = sum / values.length;
  const sorted = values.toSorted((a, b) => a - b);
  switch (of.kind) {
    case 'min':
      return Math.min(...values);
    case 'max':
      return Math.max(...values);
    case 'sum':
      return sum;
    case 'avg':
      return mean;
    case 'stddev':
      return Math.sqrt(values.reduce((all, value) => all + (value - mean) ** 2, 0) / values.length);
    case 'first':
      return first.value;
    case 'last':
      return last.value;
    case 'rate':
      return last.atMs === first.atMs
        ? Number.NaN
        : (last.value - first.value) / ((last.atMs - first.atMs) / 1000);
    case 'percentile': {
      const rank = ((sorted.length - 1) * of.percent) / 100;
      const low = sorted[Math.floor(rank)] ?? 0;
      const high = sorted[Math.ceil(rank)] ?? 0;
      return low + (high - low) * (rank - Math.floor(rank));
    }
  }
}

const steps = fc.array(
  fc.record({
    waitMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 400 }), fc.integer({ min: 400, max: 5000 })),
    value: fc.option(fc.double({ min: -1e6, max: 1e6, noNaN: true })),
  }),
  { maxLength: 120 },
);
const starts = fc.integer({ min: 0, max: 5000 });

/** Plays steps (a value, or only time) and compares with the model after each. */
function agree(
  spec: WindowSpec,
  model: (samples: readonly Sample[], nowMs: number, of: AggregateSpec, startMs: number) => number,
): void {
  fc.assert(
    fc.property(fc.constantFrom(...aggregates), starts, steps, (of, startMs, played) => {
      const window = createWindow(spec, of, startMs);
      const samples: Sample[] = [];
      let nowMs = startMs;
      for (const { waitMs, value } of played) {
        nowMs += waitMs;
        if (value === null) window.advance(nowMs);
        else {
          samples.push({ atMs: nowMs, value });
          window.add(nowMs, value);
        }
        expectClose(window.value(), model(samples, nowMs, of, startMs));
      }
    }),
    { numRuns: 600 },
  );
}

function expectClose(found: number, wanted: number): void {
  if (Number.isNaN(wanted)) expect(found).toBeNaN();
  else expect(Math.abs(found - wanted)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(wanted)));
}

describe('a sliding window', () => {
  it('says the same as all its samples looked at anew', () => {
    agree({ kind: 'sliding', spanMs: 1000, samples: 4096 }, (samples, nowMs, of, startMs) => {
      if (of.kind === 'count' && nowMs < startMs + 1000) return Number.NaN;
      return naive(
        samples.filter(({ atMs }) => atMs > nowMs - 1000),
        of,
      );
    });
  });

  it('keeps the newest samples when there are more than it may keep', () => {
    agree({ kind: 'sliding', spanMs: 60_000, samples: 7 }, (samples, nowMs, of, startMs) => {
      if (of.kind === 'count' && nowMs < startMs + 60_000) return Number.NaN;
      return naive(samples.filter(({ atMs }) => atMs > nowMs - 60_000).slice(-7), of);
    });
  });

  it('is not spoilt for good by a number that was huge', () => {
    const window = createWindow({ kind: 'sliding', spanMs: 1000, samples: 100 }, { kind: 'stddev' }, 0);
    for (let atMs = 0; atMs < 3000; atMs += 10) window.add(atMs, atMs === 500 ? 1e200 : atMs % 20);
    expect(window.value()).toBeCloseTo(5, 6);
  });

  it('says when it changes by itself', () => {
    const window = createWindow({ kind: 'sliding', spanMs: 1000, samples: 100 }, { kind: 'max' }, 0);
    expect(window.nextChangeMs()).toBe(Number.POSITIVE_INFINITY);
    window.add(50, 7);
    expect(window.nextChangeMs()).toBe(1050);
    window.advance(1050);
    expect(window.value()).toBeNaN();
  });
});

describe('a tumbling window', () => {
  it('says what its last complete span was', () => {
    agree({ kind: 'tumbling', spanMs: 1000, samples: 4096 }, (samples, nowMs, of, startMs) => {
      const toMs = 1000 * Math.floor(nowMs / 1000);
      const fromMs = toMs - 1000;
      if (fromMs < startMs) return Number.NaN;
      return naive(
        samples.filter(({ atMs }) => atMs >= fromMs && atMs < toMs),
        of,
      );
    });
  });
});

describe('a session window', () => {
  it('says what the last session was once it is over', () => {
    agree({ kind: 'session', gapMs: 500, samples: 4096 }, (samples, nowMs, of) => {
      const sessions: Sample[][] = [];
      for (const sample of samples) {
        const open = sessions.at(-1);
        const last = open?.at(-1);
        if (open === undefined || last === undefined || sample.atMs - last.atMs >= 500)
          sessions.push([sample]);
        else open.push(sample);
      }
      const over = sessions.filter((session) => (session.at(-1)?.atMs ?? 0) + 500 <= nowMs);
      const last = over.at(-1);
      return last === undefined ? Number.NaN : naive(last, of);
    });
  });
});

describe('a count window', () => {
  it('says what the last so many samples are, once there are so many', () => {
    agree({ kind: 'count', samples: 5 }, (samples, _, of) =>
      samples.length < 5 ? Number.NaN : naive(samples.slice(-5), of),
    );
  });
});
