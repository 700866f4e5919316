import { type Clock, describeError } from '@millwright/protocol';
import {
  AttributeIds,
  type ClientSession,
  HistoryData,
  HistoryReadRequest,
  type HistoryReadResponse,
  HistoryReadResult,
  ReadRawModifiedDetails,
  TimestampsToReturn,
} from 'node-opcua-client';
import { chunks, type ServerLimits } from './limits.ts';
import type { Outbox } from './outbox.ts';
import type { PointState } from './point-state.ts';
import { pushValue, type ReceivedValue } from './values.ts';

const HISTORY_READ = 0x04;
const SERVER_TIME = 'i=2258';
const VALUES_PER_REQUEST = 1000;
const MAX_VALUES = 100_000;
/** Live values must not wait longer than this for old ones. */
const WITHIN_MS = 20_000;
/** Before the newest value heard: another point's value may have been on its way. */
const OVERLAP_MS = 60_000;

export interface BackfillOptions {
  readonly session: ClientSession;
  readonly clock: Clock;
  readonly limits: ServerLimits;
  readonly points: readonly PointState[];
  readonly outbox: Outbox;
  /** How far back at most. */
  readonly maxMs: number;
  readonly signal: AbortSignal;
  readonly log: (message: string) => void;
}

/**
 * Reads from the server's own history what was missed, oldest first, before live values flow again. Points whose
 * nodes keep no history are left out; a server that fails at it is left alone.
 * @returns how many values were passed on
 * @see OPC UA Part 11 §6.4.3
 */
export async function backfill(options: BackfillOptions): Promise<number> {
  const { session, clock, limits, points, maxMs, log } = options;
  const newestMs = points.reduce((newest, { lastSourceMs }) => Math.max(newest, lastSourceMs), 0);
  if (newestMs === 0 || maxMs === 0) return 0;
  const endAtMs = clock.monotonicMs() + WITHIN_MS;
  let read = 0;
  try {
    const serverTime = await session.read({ nodeId: SERVER_TIME, attributeId: AttributeIds.Value });
    const now: unknown = serverTime.value.value;
    const to = now instanceof Date ? now : new Date(clock.wallMs());
    const from = new Date(Math.max(newestMs - OVERLAP_MS, to.getTime() - maxMs));
    for (const group of chunks(await historized(options), limits.nodesPerHistoryRead)) {
      const left = MAX_VALUES - read;
      if (left <= 0 || clock.monotonicMs() > endAtMs) break;
      read += await readGroup(group, { from, to, left, endAtMs }, options);
    }
  } catch (error) {
    options.signal.throwIfAborted();
    log(`the server's history was not read to its end: ${describeError(error)}`);
  }
  return read;
}

async function historized({ session, limits, points }: BackfillOptions): Promise<PointState[]> {
  const found: PointState[] = [];
  for (const group of chunks(points, limits.nodesPerRead)) {
    const levels = await session.read(
      group.map(({ point }) => ({ nodeId: point.node, attributeId: AttributeIds.AccessLevel })),
    );
    levels.forEach(({ value }, index) => {
      const state = group[index];
      const level: unknown = value.value;
      if (state !== undefined && typeof level === 'number' && (level & HISTORY_READ) !== 0) found.push(state);
    });
  }
  return found;
}

async function readGroup(
  group: readonly PointState[],
  bounds: { readonly from: Date; readonly to: Date; readonly left: number; readonly endAtMs: number },
  { session, clock, outbox, signal }: BackfillOptions,
): Promise<number> {
  let waiting: Waiting[] = group.map((state) => ({ state, continuationPoint: undefined }));
  let read = 0;
  while (waiting.length > 0) {
    signal.throwIfAborted();
    const isOver = read >= bounds.left || clock.monotonicMs() > bounds.endAtMs;
    const { results } = await ask(session, waiting, bounds, isOver);
    if (isOver) return read;
    const more: Waiting[] = [];
    for (const [index, result] of (results ?? []).entries()) {
      const asked = waiting[index];
      if (asked === undefined || !(result instanceof HistoryReadResult) || result.statusCode.isNotGood())
        continue;
      read += pass(asked.state, valuesOf(result), outbox, clock.wallMs());
      const { continuationPoint } = result;
      if (continuationPoint?.length > 0) more.push({ state: asked.state, continuationPoint });
    }
    waiting = more;
    await outbox.room({ signal });
  }
  return read;
}

interface Waiting {
  readonly state: PointState;
  readonly continuationPoint: Buffer | undefined;
}

function ask(
  session: ClientSession,
  waiting: readonly Waiting[],
  { from, to }: { readonly from: Date; readonly to: Date },
  releaseContinuationPoints: boolean,
): Promise<HistoryReadResponse> {
  const historyReadDetails = new ReadRawModifiedDetails({
    isReadModified: false,
    startTime: from,
    endTime: to,
    numValuesPerNode: VALUES_PER_REQUEST,
    returnBounds: false,
  });
  const nodesToRead = waiting.map(({ state, continuationPoint }) => ({
    nodeId: state.point.node,
    ...(continuationPoint === undefined ? {} : { continuationPoint }),
  }));
  const timestampsToReturn = TimestampsToReturn.Both;
  return session.historyRead(
    new HistoryReadRequest({
      historyReadDetails,
      timestampsToReturn,
      releaseContinuationPoints,
      nodesToRead,
    }),
  );
}

function valuesOf({ historyData }: HistoryReadResult): readonly ReceivedValue[] {
  return historyData instanceof HistoryData ? (historyData.dataValues ?? []) : [];
}

function pass(state: PointState, values: readonly ReceivedValue[], outbox: Outbox, nowMs: number): number {
  let passed = 0;
  for (const value of values) {
    const atMs = (value.sourceTimestamp ?? value.serverTimestamp)?.getTime() ?? Number.NEGATIVE_INFINITY;
    if (atMs <= state.lastSourceMs) continue;
    state.lastSourceMs = atMs;
    pushValue(outbox.batch, state.point, value, nowMs);
    outbox.pushed();
    passed++;
  }
  return passed;
}
