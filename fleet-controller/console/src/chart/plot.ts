import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { GapView } from '../api/types.ts';
import type { SeriesData } from './series.ts';

export interface PlotSeries {
  readonly label: string;
  readonly unit: string;
  readonly data: SeriesData;
}

export interface PlotInput {
  readonly element: HTMLElement;
  readonly series: readonly PlotSeries[];
  readonly gaps: readonly Pick<GapView, 'fromMs' | 'toMs'>[];
  /** Seconds shown; null = all that is there. */
  readonly range: readonly [number, number] | null;
  readonly onZoom: (fromS: number, toS: number) => void;
  /** Index under the cursor, or null when it left. */
  readonly onCursor: (index: number | null, leftPx: number) => void;
}

const HEIGHT_PX = 280;

const token = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** All series on one time axis: uPlot joins them; null = a break, undefined = this series has nothing at that time. */
export function joinSeries(series: readonly PlotSeries[]): uPlot.AlignedData {
  const tables = series.map(({ data }) => [data.t, data.v, data.low, data.high] as uPlot.AlignedData);
  return tables.length === 0
    ? [[]]
    : uPlot.join(
        tables,
        tables.map(() => [0, 2, 2, 2]),
      );
}

/** Draws the series into `element`; destroy the plot when it goes. */
export function createPlot(input: PlotInput): uPlot {
  const ink = token('--quiet');
  const line = token('--line');
  const units = [...new Set(input.series.map(({ unit }) => unit))];
  const font = `12px ${token('--font')}`;
  const axis = (scale: string, side: 1 | 3): uPlot.Axis => ({
    scale,
    side,
    label: scale === '' ? 'no unit' : scale,
    labelSize: 20,
    labelFont: font,
    font,
    stroke: ink,
    grid: { show: side === 3, stroke: line, width: 1 },
    ticks: { stroke: line, width: 1 },
    size: 54,
  });
  const options: uPlot.Options = {
    width: input.element.clientWidth,
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 7 } },
    scales: {
      x: {
        time: true,
        ...(input.range === null ? {} : { range: () => [input.range?.[0] ?? 0, input.range?.[1] ?? 1] }),
      },
      ...Object.fromEntries(units.map((unit) => [unit, { auto: true }])),
    },
    axes: [
      {
        stroke: ink,
        font,
        // Narrow screens get a label a minute for five minutes, not one for all of them.
        space: (_plot, _axis, _from, _to, widthPx) => (widthPx < 400 ? 46 : 80),
        values: (_, splits) => timeLabels(splits),
        grid: { stroke: line, width: 1 },
        ticks: { stroke: line, width: 1 },
      },
      ...units.slice(0, 2).map((unit, at) => axis(unit, at === 0 ? 3 : 1)),
    ],
    series: [
      {},
      ...input.series.flatMap(({ label, unit }, at): uPlot.Series[] => {
        const colour = token(`--series-${at + 1}`);
        const edge = { scale: unit, width: 0, points: { show: false } } as const;
        return [
          { label, scale: unit, stroke: colour, width: 1.75, points: { show: false } },
          { ...edge, label: `${label} lowest` },
          { ...edge, label: `${label} highest` },
        ];
      }),
    ],
    bands: input.series.map((_, at) => ({
      series: [3 * at + 3, 3 * at + 2],
      fill: `${token(`--series-${at + 1}`)}30`,
    })),
    hooks: {
      drawClear: [(plot) => shadeGaps(plot, input.gaps)],
      setSelect: [
        (plot) => {
          if (plot.select.width < 6) return;
          input.onZoom(
            plot.posToVal(plot.select.left, 'x'),
            plot.posToVal(plot.select.left + plot.select.width, 'x'),
          );
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
      setCursor: [
        (plot) =>
          input.onCursor(
            plot.cursor.idx ?? null,
            (plot.cursor.left ?? 0) + plot.bbox.left / devicePixelRatio,
          ),
      ],
    },
  };
  return new uPlot(options, joinSeries(input.series), input.element);
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const clockWithSeconds = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

/** Time of day below each line; the date where a new day begins. */
function timeLabels(splits: readonly number[]): string[] {
  const stepS = (splits[1] ?? 0) - (splits[0] ?? 0);
  return splits.map((atS, index) => {
    const date = new Date(atS * 1000);
    const before = splits[index - 1];
    const isNewDay = before !== undefined && new Date(before * 1000).getDate() !== date.getDate();
    if (isNewDay || stepS >= 86_400) return day.format(date);
    return (stepS < 60 ? clockWithSeconds : clock).format(date);
  });
}

/** Time that is known to be missing is hatched: absent data must not look like a flat line. */
function shadeGaps(plot: uPlot, gaps: PlotInput['gaps']): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const gap of gaps) {
    const left = plot.valToPos(gap.fromMs / 1000, 'x', true);
    const right = Math.max(plot.valToPos(gap.toMs / 1000, 'x', true), left + 2);
    ctx.fillStyle = token('--warn-soft');
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.strokeStyle = token('--warn');
    ctx.lineWidth = 1;
    ctx.setLineDash([4, 4]);
    ctx.strokeRect(left, bbox.top - 1, right - left, bbox.height + 2);
  }
  ctx.restore();
}
