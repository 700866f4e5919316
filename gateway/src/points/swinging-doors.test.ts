import { bad, Kind, PointNo, SampleBatch } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PointRules, PointsTable } from './points-table.ts';

const A = PointNo.parse(3);
const B = PointNo.parse(200);

interface Row {
  readonly t: number;
  readonly v: number | null;
}

function tableOf(rules: Partial<PointRules>, no = A) {
  const clock = new MemoryClock();
  const reported: Row[] = [];
  const all: Row[] = [];
  const into = (rows: Row[]) => (batch: SampleBatch) => {
    for (let row = 0; row < batch.length; row++) {
      if (batch.point[row] === no)
        rows.push({ t: batch.tSourceMs[row] ?? 0, v: batch.valueAt(row) as number });
    }
  };
  const table = new PointsTable({
    clock,
    logger: new MemoryLogger(),
    all: [{ name: 'all', accept: into(all) }],
    reported: [{ name: 'reported', accept: into(reported) }],
  });
  table.configure([{ no, ...rules }]);
  const send = (rows: readonly Row[], quality = 0) => {
    const batch = new SampleBatch(Math.max(1, rows.length));
    for (const { t, v } of rows) {
      if (v === null) batch.pushNull(no, t, clock.wallMs(), bad('timeout'));
      else batch.pushNumber(no, t, clock.wallMs(), v, quality);
    }
    table.accept(batch);
  };
  return { clock, table, reported, all, send };
}

/** How far a sample lies from the line between the two reported ones around it. */
function miss({ t, v }: Row, reported: readonly Row[]): number {
  const after = reported.findIndex((each) => each.t >= t);
  const to = reported[after];
  const from = reported[after - 1];
  if (to === undefined || v === null || to.v === null) return Number.POSITIVE_INFINITY;
  if (to.t === t || from === undefined || from.v === null) return to.t === t ? Math.abs(to.v - v) : Infinity;
  return Math.abs(from.v + ((to.v - from.v) * (t - from.t)) / (to.t - from.t) - v);
}

describe('a point with swinging doors', () => {
  const track = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: -80, max: 80 })), {
      minLength: 1,
      maxLength: 120,
    })
    .map((steps) => {
      const start = new MemoryClock().wallMs();
      let [t, v] = [start, 0];
      return steps.map(([wait, rise]): Row => {
        t += wait;
        v += rise / 10;
        return { t, v };
      });
    });

  it('reports so many samples that straight lines between them miss none by more than the tolerance', async () => {
    await fc.assert(
      fc.asyncProperty(track, fc.integer({ min: 1, max: 10 }), async (rows, swing) => {
        const { table, reported, send } = tableOf({ swing });
        for (let at = 0; at < rows.length; at += 7) send(rows.slice(at, at + 7));
        await table.stop();
        const missed = rows.map((row) => miss(row, reported));
        expect(Math.max(...missed)).toBeLessThanOrEqual(swing * (1 + 1e-9) + 1e-9);
      }),
      { numRuns: 500 },
    );
  });

  it('reports samples as they came, in order and once each', async () => {
    await fc.assert(
      fc.asyncProperty(track, async (rows) => {
        const { table, reported, send } = tableOf({ swing: 3 });
        send(rows);
        await table.stop();
        const told = new Set(reported.map(({ t }) => t));
        expect(reported).toEqual(rows.filter(({ t }) => told.has(t)));
        expect(reported.at(-1)).toEqual(rows.at(-1));
      }),
    );
  });

  it('tells a straight line by its ends', async () => {
    const { table, reported, all, send, clock } = tableOf({ swing: 0.1 });
    const rows = Array.from({ length: 1000 }, (_, i) => ({ t: clock.wallMs() + i * 100, v: i * 0.3 }));
    for (const row of rows) send([row]);
    expect(reported).toEqual([rows[0]]);
    await table.stop();
    expect(reported).toEqual([rows[0], rows[999]]);
    expect(all).toHaveLength(1000);
  });

  it('tells a step by the sample before it as well', () => {
    const { reported, send, clock } = tableOf({ swing: 0.5 });
    const t = clock.wallMs();
    const rows = [1, 1, 1, 1, 9, 9, 9].map((v, i) => ({ t: t + i, v }));
    send(rows);
    expect(reported).toEqual([rows[0], rows[3], rows[4]]);
  });

  it('tells what it held, and then at once, when the device goes bad', () => {
    const { reported, send, clock } = tableOf({ swing: 5 });
    const t = clock.wallMs();
    send([
      { t, v: 1 },
      { t: t + 1, v: 2 },
      { t: t + 2, v: 3 },
      { t: t + 3, v: null },
      { t: t + 4, v: 4 },
    ]);
    expect(reported).toEqual([
      { t, v: 1 },
      { t: t + 2, v: 3 },
      { t: t + 3, v: null },
      { t: t + 4, v: 4 },
    ]);
  });

  it('tells at once what does not come in the order of time', () => {
    const { reported, send, clock } = tableOf({ swing: 5 });
    const t = clock.wallMs();
    send([
      { t, v: 1 },
      { t: t + 10, v: 1 },
      { t: t + 5, v: 1 },
      { t: t + 6, v: 1 },
    ]);
    expect(reported.map((each) => each.t - t)).toEqual([0, 10, 5, 6]);
  });

  it('waits no longer than its heartbeat', async () => {
    const { table, reported, send, clock } = tableOf({ swing: 5, heartbeatMs: 10_000 });
    await table.start();
    const t = clock.wallMs();
    send([{ t, v: 1 }]);
    await clock.advance(4000);
    send([{ t: t + 4000, v: 1.5 }]);
    await clock.advance(7000);
    expect(reported).toEqual([
      { t, v: 1 },
      { t: t + 4000, v: 1.5 },
    ]);
    await clock.advance(10_000);
    expect(reported).toHaveLength(3);
    expect(reported[2]).toMatchObject({ v: 1.5 });
    await table.stop();
  });

  it('tells what it held before it says that nothing comes any more', async () => {
    const { table, reported, send, clock } = tableOf({ swing: 5, staleMs: 5000 });
    await table.start();
    const t = clock.wallMs();
    send([
      { t, v: 1 },
      { t: t + 10, v: 1.5 },
    ]);
    await clock.advance(6000);
    expect(reported.slice(0, 2)).toEqual([
      { t, v: 1 },
      { t: t + 10, v: 1.5 },
    ]);
    expect(reported).toHaveLength(3);
    expect(table.sample(A)).toMatchObject({ q: 'uncertain', why: 'stale' });
    await table.stop();
  });

  it('serves whole numbers of 64 bits, and leaves its neighbours alone', async () => {
    const { table, reported, clock } = tableOf({ swing: 2 }, B);
    table.configure([{ no: A }]);
    const t = clock.wallMs();
    const batch = new SampleBatch(10);
    for (let i = 0; i < 5; i++) {
      batch.pushInt(B, t + i, t, BigInt(i), 0, Kind.uint64);
      batch.pushNumber(A, t + i, t, i);
    }
    table.accept(batch);
    await table.stop();
    expect(reported.map(({ v }) => v)).toEqual([0n, 4n]);
    expect(table.counts).toMatchObject({ received: 10, reported: 7 });
  });
});

describe('a relative deadband', () => {
  it('is measured by the value reported last', () => {
    const { reported, send, clock } = tableOf({ relativeDeadband: 0.1 });
    const t = clock.wallMs();
    send([100, 109, 110, 110.1, 120, 121.2, 0, 0.001].map((v, i) => ({ t: t + i, v })));
    expect(reported.map(({ v }) => v)).toEqual([100, 110.1, 121.2, 0, 0.001]);
  });
});
