import {
  bad,
  type Clock,
  every,
  GOOD,
  Kind,
  type Lifecycle,
  type Logger,
  MAX_TEXT_LENGTH,
  type PointNo,
  type QualityByte,
  qualityByte,
  qualityOf,
  reasonOf,
  type Sample,
  type SampleBatch,
  type SampleSink,
  type Value,
} from '@millwright/protocol';
import { PointColumns } from './point-columns.ts';
import { type NamedSink, SinkList } from './sink-list.ts';
import { SpareBatches } from './spare-batches.ts';
import { SwingingDoors } from './swinging-doors.ts';

export type { NamedSink } from './sink-list.ts';

const DAY_MS = 24 * 3600 * 1000;
const CHECK_EVERY_MS = 1000;
const MIN_MASK_ROWS = 256;

const SKEWED = qualityByte('uncertain', 'clock-skew');
const STALE = qualityByte('uncertain', 'stale');
const OUT_OF_RANGE = bad('out-of-range');
const BAD = 2;

/** How one point is reported; from its device's description. */
export interface PointRules {
  readonly no: PointNo;
  /** A change up to this is not reported; absent: every sample is. */
  readonly deadband?: number | undefined;
  /** The same as a fraction of the value reported last. */
  readonly relativeDeadband?: number | undefined;
  /** Reported are only the samples between which straight lines miss no other by more than this. */
  readonly swing?: number | undefined;
  readonly heartbeatMs?: number | undefined;
  readonly staleMs?: number | undefined;
}

export interface PointsTableDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Get every sample: alarms, detectors. Called before the reported ones. */
  readonly all: readonly NamedSink[];
  /** Get what left the deadband, changed its quality or is due by heartbeat: journal, live lane. */
  readonly reported: readonly NamedSink[];
}

/**
 * The newest value of every point, and the gate all samples pass on their way into the gateway.
 *
 * Per sample: the source clock is judged (more than a day off, or going backwards: `uncertain`, `clock-skew`;
 * the time itself is kept), the newest value replaced, and, unless report by exception holds it back, the
 * sample handed on in the same turn. Samples of unknown points are counted and go nowhere.
 */
export class PointsTable implements Lifecycle {
  readonly #clock: Clock;
  readonly #all: readonly NamedSink[];
  readonly #reported: readonly NamedSink[];
  readonly #columns = new PointColumns();
  readonly #doors = new SwingingDoors();
  readonly #spare = new SpareBatches();
  readonly #sinks: SinkList;
  #mask = new Uint8Array(MIN_MASK_ROWS);
  /** Points with a heartbeat or a staleness bound. */
  #watched: PointNo[] = [];
  #stopChecking: (() => void) | undefined;
  #unknown = 0;
  #received = 0;
  #passed = 0;

  constructor(deps: PointsTableDeps) {
    this.#clock = deps.clock;
    this.#sinks = new SinkList({ logger: deps.logger });
    this.#all = deps.all;
    this.#reported = deps.reported;
  }

  async start(): Promise<void> {
    this.#stopChecking ??= every(this.#clock, CHECK_EVERY_MS, () => this.#check());
  }

  async stop(): Promise<void> {
    this.#stopChecking?.();
    this.#stopChecking = undefined;
    this.#release(this.numbers());
  }

  /** Samples received, passed on, and dropped for want of a known point. */
  get counts(): { readonly received: number; readonly reported: number; readonly unknown: number } {
    return { received: this.#received, reported: this.#passed, unknown: this.#unknown };
  }

  /** Takes points in, or changes how they are reported; what is known of them stays. */
  configure(points: readonly PointRules[]): void {
    const columns = this.#columns;
    this.#release(points.map(({ no }) => no));
    for (const { no, deadband, relativeDeadband, swing, heartbeatMs, staleMs } of points) {
      columns.growTo(no);
      columns.deadband[no] = deadband ?? (relativeDeadband === undefined ? -1 : 0);
      columns.relativeDeadband[no] = relativeDeadband ?? 0;
      this.#doors.configure(no, swing);
      columns.heartbeatMs[no] = heartbeatMs ?? Number.POSITIVE_INFINITY;
      columns.staleMs[no] = staleMs ?? Number.POSITIVE_INFINITY;
      if (columns.isActive[no] !== 1) columns.begin(no, this.#clock.wallMs());
    }
    this.#watched = [...this.numbers()].filter(
      (no) => Number.isFinite(columns.heartbeatMs[no]) || Number.isFinite(columns.staleMs[no]),
    );
  }

  /** Forgets points that are no longer read. */
  retire(points: readonly PointNo[]): void {
    this.#release(points);
    for (const no of points) {
      this.#columns.clear(no);
      this.#doors.configure(no, undefined);
    }
    this.#watched = this.#watched.filter((no) => this.#columns.isActive[no] === 1);
  }

  /** The newest value of a point as received; undefined when it is not read here. */
  sample(no: PointNo): Sample | undefined {
    const columns = this.#columns;
    if (columns.isActive[no] !== 1) return undefined;
    const quality = columns.quality[no] as number;
    const why = reasonOf(quality);
    return {
      v: columns.valueOf(no),
      q: qualityOf(quality),
      ...(why === 'none' ? {} : { why }),
      tSource: columns.tSourceMs[no] as number,
      tGateway: columns.tGatewayMs[no] as number,
    };
  }

  /** How long ago the newest sample of a point came, by the monotonic clock; Infinity when none ever did. */
  ageMs(no: PointNo): number {
    const columns = this.#columns;
    if (columns.isActive[no] !== 1 || columns.isBlank(no)) return Number.POSITIVE_INFINITY;
    return this.#clock.monotonicMs() - (columns.seenAtMs[no] as number);
  }

  /** Parts of the newest sample, without an object for it; of points that are read here. */
  value(no: PointNo): Value {
    return this.#columns.valueOf(no);
  }

  quality(no: PointNo): QualityByte {
    return this.#columns.quality[no] as number;
  }

  tSourceMs(no: PointNo): number {
    return this.#columns.tSourceMs[no] as number;
  }

  tGatewayMs(no: PointNo): number {
    return this.#columns.tGatewayMs[no] as number;
  }

  /** Whether the point was never read, or is not read here. */
  isBlank(no: PointNo): boolean {
    return this.#columns.isActive[no] !== 1 || this.#columns.isBlank(no);
  }

  /** Appends the newest sample of a point, unless there never was one. @returns whether it did */
  copyNewest(no: PointNo, into: SampleBatch): boolean {
    const columns = this.#columns;
    if (columns.isActive[no] !== 1 || columns.isBlank(no)) return false;
    columns.appendTo(no, into);
    return true;
  }

  /** Numbers of all points read here. */
  *numbers(): Generator<PointNo> {
    const { isActive } = this.#columns;
    for (let no = 0; no < isActive.length; no++) if (isActive[no] === 1) yield no as PointNo;
  }

  /** The sink of all drivers. Corrects rows of `batch` where the table knows better. */
  readonly accept: SampleSink = (batch) => {
    if (this.#doors.isUsed) {
      this.#acceptSwinging(batch);
      return;
    }
    const columns = this.#columns;
    const nowMs = this.#clock.monotonicMs();
    if (this.#mask.length < batch.length) this.#mask = new Uint8Array(batch.length);
    let passing = 0;
    for (let row = 0; row < batch.length; row++) {
      const no = batch.point[row] as PointNo;
      const isKnown = columns.isActive[no] === 1;
      if (isKnown) this.#judge(batch, row, no);
      else this.#unknown++;
      const isPassing = isKnown && columns.take(batch, row, nowMs);
      this.#mask[row] = isPassing ? 1 : 0;
      if (isPassing) passing++;
    }
    this.#received += batch.length;
    this.#passed += passing;
    if (passing === batch.length) {
      this.#sinks.handOn(this.#all, batch);
      this.#sinks.handOn(this.#reported, batch);
      return;
    }
    // Copied before anybody is called: a sink may come back here with samples of its own.
    const passed = this.#spare.borrow(passing);
    for (let row = 0; row < batch.length; row++) if (this.#mask[row] === 1) passed.copyRow(batch, row);
    this.#sinks.handOn(this.#all, batch);
    this.#sinks.handOn(this.#reported, passed);
    this.#spare.giveBack(passed);
  };

  /** The same for batches in which a sample may make an older one be reported. */
  #acceptSwinging(batch: SampleBatch): void {
    const columns = this.#columns;
    const nowMs = this.#clock.monotonicMs();
    const passed = this.#spare.borrow(2 * batch.length);
    for (let row = 0; row < batch.length; row++) {
      const no = batch.point[row] as PointNo;
      if (columns.isActive[no] !== 1) {
        this.#unknown++;
        continue;
      }
      this.#judge(batch, row, no);
      const isPassing = this.#doors.has(no)
        ? this.#swing(batch, row, nowMs, passed)
        : columns.take(batch, row, nowMs);
      if (isPassing) passed.copyRow(batch, row);
    }
    this.#received += batch.length;
    this.#passed += passed.length;
    this.#sinks.handOn(this.#all, batch);
    this.#sinks.handOn(this.#reported, passed);
    this.#spare.giveBack(passed);
  }

  /** Appends the sample held back before when it is needed. @returns whether the row is to be reported at once */
  #swing(batch: SampleBatch, row: number, nowMs: number, passed: SampleBatch): boolean {
    const columns = this.#columns;
    const doors = this.#doors;
    const no = batch.point[row] as PointNo;
    const tMs = batch.tSourceMs[row] as number;
    const beforeMs = columns.tSourceMs[no] as number;
    const before = columns.numberOf(no);
    const isHolding = doors.isHolding(no);
    const isAlike = batch.kind[row] === columns.kind[no] && batch.quality[row] === columns.quality[no];
    const isJoined = isAlike && tMs > beforeMs && doors.isOpen(no);
    const isDue = nowMs - (columns.reportedAtMs[no] as number) >= (columns.heartbeatMs[no] as number);
    // The held sample is the newest: it is appended while it still is.
    const held = isHolding ? passed.length : -1;
    if (isHolding) columns.appendTo(no, passed);
    columns.put(batch, row, nowMs);
    const value = columns.numberOf(no);
    if (isJoined && Number.isFinite(value)) {
      let isHeld = doors.hold(no, tMs, value);
      if (isHeld && held >= 0) passed.length = held;
      else if (!isHeld) {
        doors.pivot(no, beforeMs, before);
        columns.markReported(no, nowMs);
        isHeld = doors.hold(no, tMs, value);
      }
      if (isHeld && !isDue) return false;
    }
    columns.markReported(no, nowMs);
    if (Number.isFinite(value)) doors.pivot(no, tMs, value);
    else doors.close(no);
    return true;
  }

  /** Reports what is held back, because nothing more may come. */
  #release(points: Iterable<PointNo>): void {
    if (!this.#doors.isUsed) return;
    const held = [...points].filter((no) => this.#doors.isHolding(no));
    if (held.length === 0) return;
    const batch = this.#spare.borrow(held.length);
    for (const no of held) this.#reportHeld(no, batch, this.#clock.monotonicMs());
    this.#passed += batch.length;
    this.#sinks.handOn(this.#reported, batch);
    this.#spare.giveBack(batch);
  }

  #reportHeld(no: PointNo, into: SampleBatch, nowMs: number): void {
    const columns = this.#columns;
    columns.appendTo(no, into);
    columns.markReported(no, nowMs);
    this.#doors.pivot(no, columns.tSourceMs[no] as number, columns.numberOf(no));
  }

  #judge(batch: SampleBatch, row: number, no: PointNo): void {
    if (batch.kind[row] === Kind.text && isTooLong(batch.strings[batch.value[row] as number])) {
      batch.kind[row] = Kind.null;
      batch.quality[row] = OUT_OF_RANGE;
    }
    const columns = this.#columns;
    const tGatewayMs = batch.tGatewayMs[row] as number;
    const tSourceMs = batch.tSourceMs[row] as number;
    if (!Number.isFinite(tSourceMs)) batch.tSourceMs[row] = tGatewayMs;
    if (batch.quality[row] !== GOOD) return;
    const isBackwards = tSourceMs < (columns.tSourceMs[no] as number) && !columns.isBlank(no);
    if (isBackwards || !(Math.abs(tSourceMs - tGatewayMs) <= DAY_MS)) batch.quality[row] = SKEWED;
  }

  /** Marks what has become stale, and repeats what is due. */
  #check(): void {
    if (this.#watched.length === 0) return;
    const columns = this.#columns;
    const nowMs = this.#clock.monotonicMs();
    const wallMs = this.#clock.wallMs();
    const stale = this.#spare.borrow(this.#watched.length);
    const due = this.#spare.borrow(2 * this.#watched.length);
    for (const no of this.#watched) {
      if (columns.isBlank(no)) continue;
      const quality = columns.quality[no] as number;
      const isStale = nowMs - (columns.seenAtMs[no] as number) >= (columns.staleMs[no] as number);
      if (isStale && quality !== STALE && (quality & 3) !== BAD) {
        if (this.#doors.isHolding(no)) this.#reportHeld(no, due, nowMs);
        this.#doors.close(no);
        columns.quality[no] = STALE;
        columns.appendTo(no, stale, wallMs, wallMs);
      } else if (nowMs - (columns.reportedAtMs[no] as number) < (columns.heartbeatMs[no] as number)) continue;
      else if (this.#doors.isHolding(no)) {
        this.#reportHeld(no, due, nowMs);
        continue;
      } else if (this.#doors.has(no)) this.#doors.pivot(no, wallMs, columns.numberOf(no));
      columns.appendTo(no, due, wallMs, wallMs);
      columns.markReported(no, nowMs);
    }
    this.#passed += due.length;
    if (stale.length > 0) this.#sinks.handOn(this.#all, stale);
    if (due.length > 0) this.#sinks.handOn(this.#reported, due);
    this.#spare.giveBack(stale);
    this.#spare.giveBack(due);
  }
}

function isTooLong(text: string | undefined): boolean {
  return text !== undefined && text.length > MAX_TEXT_LENGTH;
}
