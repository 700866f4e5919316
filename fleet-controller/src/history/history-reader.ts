import {
  type Clock,
  type DeviceId,
  type GatewayId,
  type JsonValue,
  MAX_FRAME_SAMPLES,
  type PointNo,
  qualityOf,
  reasonOf,
  SampleBatch,
  toJsonValue,
} from '@millwright/protocol';
import { sql } from 'kysely';
import type { GapView, History, HistoryPoint } from '../api/schemas.ts';
import { type LiveValues, LONGEST_TAIL } from '../live/live-values.ts';
import type { Database } from '../store/database.ts';
import { onDatabase } from '../store/errors.ts';
import { Buckets, type StoredBucket } from './buckets.ts';
import { type FramePointRef, FrameSource } from './frame-source.ts';
import { FINEST_ROLLUP_MS, niceStep, type Rollup, rollupFor } from './step.ts';

const DEFAULT_SPAN_MS = 3_600_000;
/** Points in one answer. */
const MAX_POINTS = 10_000;
/** Without a step, so many samples are shown as they are. */
const PLAIN_SAMPLES = 2000;
/** Frames read for one answer; above it, an unasked-for step is taken from roll-ups. */
const MAX_FRAME_BYTES_READ = 48 * 2 ** 20;
const CHEAP_FRAME_BYTES = 12 * 2 ** 20;
const MAX_GAPS = 500;

export interface HistoryRequest {
  readonly device: DeviceId;
  readonly point: string;
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** 0 = samples; absent: chosen for about a thousand points. */
  readonly stepMs?: number | undefined;
}

interface Series extends FramePointRef {
  readonly kind: string;
  readonly unit: string | null;
}

type RawPoint = Extract<HistoryPoint, { v: JsonValue }>;
type Found = Pick<History, 'step' | 'source' | 'points' | 'liveFromMs' | 'continueFromMs'>;
interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Values of a point over time. Short spans are decoded from frames, long ones come from roll-ups, and what is younger
 * than the newest stored sample comes from the live lane's memory of the last two minutes.
 */
export class HistoryReader {
  readonly #clock: Clock;
  readonly #database: Database;
  readonly #live: LiveValues;

  constructor(deps: { readonly clock: Clock; readonly database: Database; readonly live: LiveValues }) {
    this.#clock = deps.clock;
    this.#database = deps.database;
    this.#live = deps.live;
  }

  /** @returns null when there is no such point */
  async read(request: HistoryRequest): Promise<History | null> {
    const { device, point } = request;
    const all = await this.#series(device, point);
    const [current] = all;
    if (current === undefined) return null;
    // A point that changed its unit is another quantity; the two do not go into one curve.
    const series = all.filter(({ unit, kind }) => unit === current.unit && kind === current.kind);
    const toMs = request.toMs ?? Math.max(this.#clock.wallMs(), request.fromMs ?? 0);
    const span = { fromMs: Math.min(request.fromMs ?? toMs - DEFAULT_SPAN_MS, toMs), toMs };
    const [found, gaps] = await Promise.all([
      this.#find(series, span, request.stepMs),
      this.#gaps(series, span),
    ]);
    const otherUnits = [...new Set(all.map(({ unit }) => unit))].filter((unit) => unit !== current.unit);
    return { device, point, unit: current.unit, ...span, ...found, gaps, otherUnits };
  }

  async #find(series: readonly Series[], span: Span, stepMs: number | undefined): Promise<Found> {
    const wanted = stepMs ?? niceStep(span.toMs - span.fromMs);
    if (wanted >= FINEST_ROLLUP_MS) return this.#fromRollups(series, span, wanted);
    const source = new FrameSource(this.#database.read);
    const keys = series.map(({ key }) => key);
    const frames = await onDatabase(() => source.find(keys, span.fromMs, span.toMs));
    const bytes = frames.reduce((sum, frame) => sum + frame.bytes, 0);
    if (stepMs === undefined && bytes > CHEAP_FRAME_BYTES) {
      return this.#fromRollups(series, span, FINEST_ROLLUP_MS);
    }
    const collected = new Collected(span, stepMs, wanted);
    const unread = await onDatabase(() =>
      source.read(frames, series, MAX_FRAME_BYTES_READ, (batch) => collected.add(batch)),
    );
    collected.stopAt(unread?.first_ms);
    const liveFromMs = unread === undefined ? await this.#addTail(series, span, collected) : null;
    return { source: 'frames', ...collected.result(), liveFromMs };
  }

  async #fromRollups(series: readonly Series[], span: Span, wanted: number): Promise<Found> {
    const { stepMs, rollup } = rollupFor(wanted);
    const rows = await onDatabase(() => this.#buckets(series, span, stepMs, rollup));
    const isCut = rows.length > MAX_POINTS;
    const buckets = new Buckets(stepMs);
    for (const row of rows.slice(0, MAX_POINTS)) buckets.addStored(row);
    const liveFromMs = isCut
      ? null
      : await this.#addTail(series, span, { add: (batch) => addAll(buckets, batch) });
    return {
      source: 'rollup',
      step: stepMs,
      points: buckets.points(),
      liveFromMs,
      continueFromMs: isCut ? (rows[MAX_POINTS]?.t ?? null) : null,
    };
  }

  /** Newest first: the one that is in use, then what the point was before. */
  async #series(device: DeviceId, point: string): Promise<Series[]> {
    const { rows } = await onDatabase(() =>
      sql<{
        id: number;
        no: number;
        key: number;
        gateway: GatewayId;
        kind: string;
        unit: string | null;
        at: number | null;
      }>`
        select s.id, s.no, g.key, g.id as gateway, s.kind, s.unit, r.last_gateway_ms as at
        from series s join gateways g on g.key = s.gateway
        left join lateral (select last_gateway_ms from rollup_1m where series = s.id
          order by bucket_ms desc limit 1) r on true
        where s.device_id = ${device} and s.point = ${point}`.execute(this.#database.read),
    );
    const seenMs = (row: (typeof rows)[number]) =>
      Math.max(row.at ?? 0, this.#live.latest(row.gateway, row.no)?.tGateway ?? 0);
    return rows
      .sort((a, b) => seenMs(b) - seenMs(a) || b.no - a.no)
      .map(({ id, no, key, gateway, kind, unit }) => ({
        key,
        gateway,
        no: no as PointNo,
        series: id,
        kind,
        unit,
      }));
  }

  async #buckets(
    series: readonly Series[],
    span: Span,
    stepMs: number,
    rollup: Rollup,
  ): Promise<StoredBucket[]> {
    const isBool = series[0]?.kind === 'bool';
    const { rows } = await sql<StoredBucket & { last_text: string | null; last: number | null }>`
      select (bucket_ms / ${stepMs}::int8) * ${stepMs}::int8 as t,
        min(min) as min, max(max) as max, sum(sum) as sum, sum(count)::float8 as count, sum(bad)::float8 as bad,
        (array_agg(last order by last_ms desc))[1] as last,
        (array_agg(last_text order by last_ms desc))[1] as last_text,
        (array_agg(last_quality order by last_ms desc))[1] as last_quality,
        max(last_ms) as last_ms
      from ${sql.table(rollup.table)}
      where series = any(${series.map((one) => one.series)}::int4[])
        and bucket_ms >= ${Math.floor(span.fromMs / stepMs) * stepMs}::int8 and bucket_ms <= ${span.toMs}::int8
      group by 1 order by 1 limit ${MAX_POINTS + 1}`.execute(this.#database.read);
    return rows.map(({ last_text, last, ...row }) => ({
      ...row,
      last: last_text ?? (isBool && last !== null ? last !== 0 : last),
    }));
  }

  /** Adds what is not stored yet. @returns the first time of it */
  async #addTail(
    series: readonly Series[],
    span: Span,
    into: { add(batch: SampleBatch): void },
  ): Promise<number | null> {
    if (span.toMs < this.#clock.wallMs() - LONGEST_TAIL) return null;
    let fromMs: number | null = null;
    for (const one of series) {
      const { rows } = await onDatabase(() =>
        sql<{ last_ms: number }>`select last_ms from rollup_1m where series = ${one.series}
          order by bucket_ms desc limit 1`.execute(this.#database.read),
      );
      const batch = new SampleBatch(MAX_FRAME_SAMPLES);
      this.#live.tail(one.gateway, one.no, Math.max(rows[0]?.last_ms ?? 0, span.fromMs - 1), batch);
      const young = distinct(batch, span.toMs);
      if (young.length === 0) continue;
      fromMs = Math.min(fromMs ?? Number.POSITIVE_INFINITY, young.tSourceMs[0] as number);
      into.add(young);
    }
    return fromMs;
  }

  async #gaps(series: readonly Series[], span: Span): Promise<GapView[]> {
    const rows = await onDatabase(() =>
      this.#database.read
        .selectFrom('gaps')
        .innerJoin('gateways', 'gateways.key', 'gaps.gateway')
        .select(['gateways.id', 'reason', 'from_ms', 'to_ms', 'gaps.samples', 'detail'])
        .where('gaps.gateway', 'in', [...new Set(series.map(({ key }) => key))])
        .where('to_ms', '>=', span.fromMs)
        .where('from_ms', '<=', span.toMs)
        .orderBy('from_ms')
        .limit(MAX_GAPS)
        .execute(),
    );
    return rows.map((row) => ({
      gateway: row.id as GatewayId,
      reason: row.reason,
      fromMs: row.from_ms,
      toMs: row.to_ms,
      samples: row.samples,
      detail: row.detail,
    }));
  }
}

/** Samples of a span: as they are while they are few, in buckets in any case unless samples were asked for. */
class Collected {
  readonly #span: Span;
  readonly #asked: number | undefined;
  readonly #buckets: Buckets;
  #plain: RawPoint[] | undefined = [];
  #untilMs = Number.POSITIVE_INFINITY;

  constructor(span: Span, asked: number | undefined, stepMs: number) {
    this.#span = span;
    this.#asked = asked;
    this.#buckets = new Buckets(Math.max(1, stepMs));
    if (asked !== undefined && asked > 0) this.#plain = undefined;
  }

  /** @returns false once there is more than an answer takes */
  add(batch: SampleBatch): boolean {
    for (let row = 0; row < batch.length; row++) {
      const t = batch.tSourceMs[row] as number;
      if (t < this.#span.fromMs || t > this.#span.toMs) continue;
      if (this.#asked !== 0) this.#buckets.addSample(batch, row);
      this.#plain?.push(rawPoint(batch, row));
    }
    if (this.#asked === undefined && (this.#plain?.length ?? 0) > PLAIN_SAMPLES) this.#plain = undefined;
    return (this.#plain?.length ?? this.#buckets.size) <= MAX_POINTS;
  }

  /** What begins here was not read. */
  stopAt(ms: number | undefined): void {
    this.#untilMs = ms ?? this.#untilMs;
  }

  result(): Pick<History, 'step' | 'points' | 'continueFromMs'> {
    const isPlain = this.#plain !== undefined;
    const points: HistoryPoint[] = this.#plain?.sort((a, b) => a.t - b.t) ?? this.#buckets.points();
    // A bucket is whole only when all of it lies before what was not read.
    const width = isPlain ? 1 : this.#buckets.stepMs;
    const cut = points[MAX_POINTS]?.t ?? Number.POSITIVE_INFINITY;
    const untilMs = Math.min(cut, Math.floor(this.#untilMs / width) * width);
    const first = points[0]?.t ?? this.#span.fromMs;
    // A cut at the very first time would never get on.
    const isCut = Number.isFinite(untilMs) && untilMs > first;
    return {
      step: isPlain ? 0 : this.#buckets.stepMs,
      points: isCut ? points.filter(({ t }) => t < untilMs) : points,
      continueFromMs: Number.isFinite(untilMs) ? Math.max(untilMs, first + 1) : null,
    };
  }
}

function addAll(buckets: Buckets, batch: SampleBatch): void {
  for (let row = 0; row < batch.length; row++) buckets.addSample(batch, row);
}

function rawPoint(batch: SampleBatch, row: number): RawPoint {
  const quality = batch.quality[row] as number;
  const why = reasonOf(quality);
  return {
    t: batch.tSourceMs[row] as number,
    v: toJsonValue(batch.valueAt(row)),
    q: qualityOf(quality),
    ...(why === 'none' ? {} : { why }),
  };
}

/** In order of time, up to `toMs`, each time once: a reconnecting gateway repeats its newest values. */
function distinct(batch: SampleBatch, toMs: number): SampleBatch {
  const { tSourceMs } = batch;
  const rows = Array.from({ length: batch.length }, (_, row) => row)
    .filter((row) => (tSourceMs[row] as number) <= toMs)
    .sort((a, b) => (tSourceMs[a] as number) - (tSourceMs[b] as number));
  const young = new SampleBatch(Math.max(1, rows.length));
  for (const row of rows) {
    const isRepeated = young.length > 0 && young.tSourceMs[young.length - 1] === tSourceMs[row];
    if (!isRepeated) young.copyRow(batch, row);
  }
  return young;
}
