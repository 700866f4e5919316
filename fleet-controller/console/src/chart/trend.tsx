import { useQueries } from '@tanstack/react-query';
import { ZoomOut } from 'lucide-react';
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { Button, ToggleButton, ToggleButtonGroup } from 'react-aria-components';
import type uPlot from 'uplot';
import { historyQuery } from '../api/queries.ts';
import type { History, PointView } from '../api/types.ts';
import { fullTime } from '../format/time.ts';
import { formatValue, unitSymbol } from '../format/value.ts';
import { liveStore } from '../live/live-store.ts';
import { Failed, Loading } from '../shell/states.tsx';
import { currentTheme, watchTheme } from '../shell/theme.ts';
import { createPlot, joinSeries, type PlotSeries } from './plot.ts';
import { appendLive, describeSeries, seriesOf } from './series.ts';

const RANGES = [
  { id: '300000', label: '5 min' },
  { id: '3600000', label: '1 h' },
  { id: '21600000', label: '6 h' },
  { id: '86400000', label: '24 h' },
  { id: '604800000', label: '7 d' },
] as const;

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
  /** Follows now: live values are added at the end. */
  readonly isLive: boolean;
}

const lastSpan = (lengthMs: number): Span => {
  const toMs = Date.now();
  return { fromMs: toMs - lengthMs, toMs, isLive: true };
};

/** How points went over a time, and how they go on. */
export function Trend({
  device,
  points,
}: {
  readonly device: string;
  readonly points: readonly PointView[];
}) {
  const [rangeId, setRangeId] = useState<string>(RANGES[0].id);
  const [span, setSpan] = useState<Span>(() => lastSpan(Number(RANGES[0].id)));
  const histories = useQueries({
    queries: points.map((point) =>
      historyQuery(device, point.id, Math.round(span.fromMs), Math.round(span.toMs)),
    ),
  });
  const error = histories.find((history) => history.error !== null)?.error ?? null;
  const loaded = histories.flatMap((history) => history.data ?? []);
  const isComplete = loaded.length === points.length;

  const zoom = (fromS: number, toS: number) =>
    setSpan({ fromMs: fromS * 1000, toMs: toS * 1000, isLive: false });
  const show = (id: string) => {
    setRangeId(id);
    setSpan(lastSpan(Number(id)));
  };

  return (
    <figure className="trend" aria-label="History of the chosen points">
      <div className="trend-head">
        <ul className="legend">
          {points.map((point, at) => (
            <li key={point.id} className={`swatch-${at + 1}`}>
              <i aria-hidden /> {point.label ?? point.id}
            </li>
          ))}
        </ul>
        <div className="legend">
          {!span.isLive && (
            <Button className="button small" onPress={() => show(rangeId)}>
              <ZoomOut size={14} aria-hidden /> Back to now
            </Button>
          )}
          <ToggleButtonGroup
            className="choices"
            aria-label="Time shown"
            selectionMode="single"
            disallowEmptySelection
            selectedKeys={span.isLive ? [rangeId] : []}
            onSelectionChange={(keys) => {
              const [key] = keys;
              if (key !== undefined) show(String(key));
            }}
          >
            {RANGES.map((range) => (
              <ToggleButton key={range.id} id={range.id}>
                {range.label}
              </ToggleButton>
            ))}
          </ToggleButtonGroup>
        </div>
      </div>
      {error !== null ? (
        <Failed error={error} />
      ) : isComplete ? (
        <Plot
          key={`${span.fromMs} ${points.map((point) => point.id).join()}`}
          device={device}
          points={points}
          histories={loaded}
          span={span}
          onZoom={zoom}
        />
      ) : (
        <Loading label="Loading history" lines={8} />
      )}
    </figure>
  );
}

interface PlotProps {
  readonly device: string;
  readonly points: readonly PointView[];
  readonly histories: readonly History[];
  readonly span: Span;
  readonly onZoom: (fromS: number, toS: number) => void;
}

interface Tip {
  readonly leftPx: number;
  readonly atMs: number;
  readonly values: readonly string[];
}

function Plot({ device, points, histories, span, onZoom }: PlotProps) {
  const host = useRef<HTMLDivElement>(null);
  const [tip, setTip] = useState<Tip | null>(null);
  const theme = useSyncExternalStore(watchTheme, currentTheme);
  const series = useMemo<PlotSeries[]>(
    () =>
      histories.map((history, at) => ({
        label: points[at]?.label ?? history.point,
        unit: unitSymbol(history.unit),
        data: seriesOf(history),
      })),
    [histories, points],
  );

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new theme draws anew
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const lengthMs = span.toMs - span.fromMs;
    const plot = createPlot({
      element,
      series,
      gaps: histories[0]?.gaps ?? [],
      range: span.isLive ? null : [span.fromMs / 1000, span.toMs / 1000],
      onZoom,
      onCursor: (index, leftPx) => setTip(index === null ? null : tipAt(plot, index, leftPx, points)),
    });
    const resize = new ResizeObserver(() =>
      plot.setSize({ width: element.clientWidth, height: plot.height }),
    );
    resize.observe(element);
    const stopLive = span.isLive ? followLive(device, points, series, plot, lengthMs) : () => undefined;
    return () => {
      stopLive();
      resize.disconnect();
      plot.destroy();
    };
  }, [series, theme, span, device]);

  const [first] = histories;
  return (
    <>
      <div ref={host} className="trend-plot" aria-hidden />
      {tip !== null && <TipBox tip={tip} points={points} />}
      <figcaption className="trend-note">
        {first !== undefined && first.points.length === 0 && 'No values in this time yet. '}
        {first !== undefined &&
          first.step > 0 &&
          `Mean per ${stepText(first.step)}, the shade from lowest to highest. `}
        {first !== undefined &&
          first.gaps.length > 0 &&
          `Dashed: ${first.gaps.length} declared ${first.gaps.length === 1 ? 'gap' : 'gaps'}. `}
        Drag over the chart to look closer.
        <span className="visually-hidden">
          {series.map((each) => describeSeries(each.label, each.data, each.unit)).join(' ')}
        </span>
      </figcaption>
    </>
  );
}

function stepText(ms: number): string {
  if (ms < 60_000) return `${ms / 1000} s`;
  return ms < 3_600_000 ? `${ms / 60_000} min` : `${ms / 3_600_000} h`;
}

function tipAt(plot: uPlot, index: number, leftPx: number, points: readonly PointView[]): Tip | null {
  const at = plot.data[0][index];
  if (at === undefined) return null;
  const values = points.map((point, place) => {
    const shown = formatValue(plot.data[1 + 3 * place]?.[index] ?? null, point.unit);
    return `${shown.text} ${shown.unit}`;
  });
  return { leftPx, atMs: at * 1000, values };
}

function TipBox({ tip, points }: { readonly tip: Tip; readonly points: readonly PointView[] }) {
  return (
    <div
      className="trend-tip"
      style={
        tip.leftPx > 300
          ? { left: tip.leftPx - 20, transform: 'translateX(-100%)' }
          : { left: tip.leftPx + 20 }
      }
    >
      <p className="quiet">{fullTime(tip.atMs)}</p>
      {points.map((point, at) => (
        <p key={point.id} className={`tag swatch-${at + 1}`}>
          {point.label ?? point.id}: {tip.values[at]}
        </p>
      ))}
    </div>
  );
}

/** Adds live values and lets the window move with time, one drawing per frame at most. */
function followLive(
  device: string,
  points: readonly PointView[],
  series: readonly PlotSeries[],
  plot: uPlot,
  lengthMs: number,
): () => void {
  let frame: number | undefined;
  const draw = () => {
    frame = undefined;
    plot.setData(joinSeries(series), false);
    const toS = Date.now() / 1000;
    plot.setScale('x', { min: toS - lengthMs / 1000, max: toS });
  };
  const untap = points.map((point, at) =>
    liveStore.tap(device, point.id, (value) => {
      const data = series[at]?.data;
      if (data === undefined || !appendLive(data, value)) return;
      frame ??= requestAnimationFrame(draw);
    }),
  );
  draw();
  return () => {
    for (const each of untap) each();
    if (frame !== undefined) cancelAnimationFrame(frame);
  };
}
