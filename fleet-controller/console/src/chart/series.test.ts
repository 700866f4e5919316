import { describe, expect, it } from 'vitest';
import type { History } from '../api/types.ts';
import { appendLive, describeSeries, seriesOf } from './series.ts';

const history = (over: Partial<History>): History =>
  ({
    device: 'dev_a.b',
    point: 'p',
    unit: 'Cel',
    fromMs: 0,
    toMs: 10_000,
    step: 0,
    source: 'frames',
    points: [],
    gaps: [],
    liveFromMs: null,
    continueFromMs: null,
    ...over,
  }) as History;

describe('seriesOf', () => {
  it('breaks the line at a declared gap and at bad quality', () => {
    const series = seriesOf(
      history({
        points: [
          { t: 1000, v: 1, q: 'good' },
          { t: 2000, v: 2, q: 'bad', why: 'timeout' },
          { t: 8000, v: 3, q: 'uncertain' },
        ],
        gaps: [
          {
            gateway: 'gw_aaaaaaaaaaaaaaaa',
            reason: 'gateway-down',
            fromMs: 2500,
            toMs: 7500,
            samples: null,
            detail: null,
          },
        ] as History['gaps'],
      }),
    );
    expect(series.t).toEqual([1, 2, 2.5, 8]);
    expect(series.v).toEqual([1, null, null, 3]);
  });

  it('breaks the line where buckets are missing, and keeps their extremes', () => {
    const bucket = (t: number, mean: number) => ({
      t,
      min: mean - 1,
      max: mean + 1,
      mean,
      last: mean,
      count: 5,
      bad: 0,
      q: 'good' as const,
    });
    const series = seriesOf(
      history({ step: 1000, points: [bucket(0, 5), bucket(1000, 6), bucket(9000, 7)] }),
    );
    expect(series.v).toEqual([5, 6, null, 7]);
    expect(series.low).toEqual([4, 5, null, 6]);
    expect(series.high).toEqual([6, 7, null, 8]);
  });
});

describe('appendLive', () => {
  it('keeps time ascending', () => {
    const series = seriesOf(history({ points: [{ t: 1000, v: 1, q: 'good' }] }));
    const live = (tSource: number, v: number) =>
      appendLive(series, {
        device: 'dev_a.b',
        point: 'p',
        v,
        q: 'good',
        tSource,
        tGateway: tSource,
      } as Parameters<typeof appendLive>[1]);
    expect([live(1000, 9), live(2000, 2), live(1500, 3)]).toEqual([false, true, false]);
    expect(series.v).toEqual([1, 2]);
  });
});

describe('describeSeries', () => {
  it('tells the course in one sentence', () => {
    const series = seriesOf(
      history({
        points: [
          { t: 1, v: 20, q: 'good' },
          { t: 2, v: 25.5, q: 'good' },
          { t: 3, v: 21, q: 'good' },
        ],
      }),
    );
    expect(describeSeries('Flow', series, '°C')).toBe(
      'Flow: from 20 °C to 21 °C, lowest 20 °C, highest 25.5 °C, 3 values.',
    );
  });
});
