import {
  type DeviceId,
  decodeFrame,
  type Frame,
  InvalidInputError,
  type JournalEntry,
  type JournalPosition,
  MAX_FRAME_SAMPLES,
  SampleBatch,
} from '@millwright/protocol';
import { sql, type Transaction } from 'kysely';
import { byteaArray, int4Array, int8Array, textArray } from '../store/binary-arrays.ts';
import type { Tables } from '../store/tables.ts';
import { followAlarms } from './alarm-states.ts';
import type { GatewayLines } from './directory.ts';
import { RollupAccumulator, RollupColumns } from './rollup-accumulator.ts';
import { upsertRollup, WIDER_ROLLUPS } from './rollup-upsert.ts';
import { deviceOf, storable, wholeMs } from './storable.ts';

type FrameEntry = Extract<JournalEntry, { kind: 'frame' }>;
type GapEntry = Extract<JournalEntry, { kind: 'gap' }>;
type EventEntry = Extract<JournalEntry, { kind: 'event' }>;

/** What of a call was new, once it is durable. */
export interface Appended {
  readonly position: JournalPosition;
  readonly frames: number;
  readonly samples: number;
  readonly gaps: readonly GapEntry[];
  readonly events: readonly EventEntry[];
}

/**
 * Writes entries and everything derived from them in the caller's transaction. What is held already is left out
 * before anything is derived from it, so that nothing counts twice.
 */
export class EntryAppend {
  readonly #batch = new SampleBatch(MAX_FRAME_SAMPLES);
  readonly #rollups = new RollupAccumulator();
  readonly #wider = new RollupColumns();

  /** @throws InvalidInputError for an entry that cannot be read or would leave a hole */
  async append(
    trx: Transaction<Tables>,
    gateway: GatewayLines,
    entries: readonly JournalEntry[],
  ): Promise<Appended> {
    const [first] = entries;
    if (first === undefined) throw new InvalidInputError('ENTRIES_EMPTY', 'there is nothing to append');
    const { epoch } = first;
    // Also the lock that puts two connections of one gateway one behind the other.
    const { rows } = await sql<{ seq: number }>`
      insert into journals as j (gateway, epoch, seq) values (${gateway.key}, ${epoch}, -1)
      on conflict (gateway, epoch) do update set seq = j.seq returning j.seq`.execute(trx);
    const fresh = selectNew(entries, epoch, rows[0]?.seq ?? -1);
    const { frames, gaps, events, seq } = fresh;
    const position = { epoch, seq };
    if (frames.length + gaps.length + events.length === 0) {
      return { position, frames: 0, samples: 0, gaps, events };
    }
    let samples = 0;
    let heldUntilMs: number | null = null;
    for (const { frame } of frames) {
      samples += frame.header.sampleCount;
      if (frame.header.sampleCount > 0)
        heldUntilMs = Math.max(heldUntilMs ?? 0, wholeMs(frame.header.lastMs));
    }
    if (frames.length > 0) {
      const statements = this.#derive(frames, gateway);
      await insertFrames(trx, gateway.key, epoch, frames);
      for (const statement of statements) await statement.execute(trx);
    }
    if (gaps.length > 0) await insertGaps(trx, gateway.key, gaps);
    if (events.length > 0) await insertEvents(trx, gateway, events);
    await sql`update journals set seq = ${seq} where gateway = ${gateway.key} and epoch = ${epoch}`.execute(
      trx,
    );
    await sql`
      update gateways set
        frames = frames + ${frames.length}, samples = samples + ${samples}, gaps = gaps + ${gaps.length},
        held_until_ms = greatest(held_until_ms, ${heldUntilMs}::bigint)
      where key = ${gateway.key}`.execute(trx);
    return { position, frames: frames.length, samples, gaps, events };
  }

  /** Decodes the frames and prepares the roll-ups' statements; synchronous, because the columns are shared. */
  #derive(frames: readonly ReadFrame[], gateway: GatewayLines) {
    const { lines } = gateway;
    const batch = this.#batch;
    this.#rollups.clear();
    for (const { frame, entry } of frames) {
      for (const { point } of frame.points) {
        if (lines[point] === undefined) {
          throw new InvalidInputError(
            'FRAME_POINT_UNKNOWN',
            `frame ${entry.epoch}/${entry.seq} has point ${point}; the catalogue of ${gateway.id} ends at ${lines.length - 1}`,
          );
        }
      }
      batch.clear();
      frame.readAll(batch);
      this.#rollups.add(batch, (no) => lines[no]?.id ?? 0);
    }
    const { minutes } = this.#rollups;
    const statements = [upsertRollup('rollup_1m', minutes), touchDevices(minutes, gateway)];
    for (const [table, widthMs] of WIDER_ROLLUPS) {
      this.#rollups.widen(widthMs, this.#wider);
      statements.push(upsertRollup(table, this.#wider));
    }
    return statements;
  }
}

interface ReadFrame {
  readonly entry: FrameEntry;
  readonly frame: Frame;
}

function selectNew(entries: readonly JournalEntry[], epoch: number, heldSeq: number) {
  const frames: ReadFrame[] = [];
  const gaps: GapEntry[] = [];
  const events: EventEntry[] = [];
  let seq = heldSeq;
  for (const entry of entries) {
    if (entry.epoch !== epoch || entry.seqEnd < entry.seq) {
      throw new InvalidInputError(
        'ENTRY_MISPLACED',
        `entry ${entry.epoch}/${entry.seq} does not belong here`,
      );
    }
    const frame = entry.kind === 'frame' ? readFrame(entry) : undefined;
    if (entry.seqEnd <= seq) continue;
    if (entry.seq > seq + 1) {
      throw new InvalidInputError(
        'ENTRY_HOLE',
        `entry ${entry.seq} of epoch ${epoch} would leave a hole after ${seq}`,
      );
    }
    if (entry.kind === 'gap') gaps.push({ ...entry, seq: seq + 1 });
    else if (entry.kind === 'event') events.push(entry);
    else if (frame !== undefined) frames.push(frame);
    seq = entry.seqEnd;
  }
  return { frames, gaps, events, seq };
}

function readFrame(entry: FrameEntry): ReadFrame {
  const frame = decodeFrame(entry.bytes);
  if (frame.header.epoch === entry.epoch && frame.header.seq === entry.seq) return { entry, frame };
  throw new InvalidInputError(
    'ENTRY_MISPLACED',
    `entry ${entry.epoch}/${entry.seq} holds the frame ${frame.header.epoch}/${frame.header.seq}`,
  );
}

async function insertFrames(
  trx: Transaction<Tables>,
  key: number,
  epoch: number,
  frames: readonly ReadFrame[],
): Promise<void> {
  const length = frames.length;
  const column = (of: (frame: Frame) => number) => Float64Array.from(frames, ({ frame }) => of(frame));
  await sql`
    insert into frames (gateway, epoch, seq, first_ms, last_ms, samples, bytes)
    select ${key}, ${epoch}, * from unnest(
      ${int8Array(
        column(({ header }) => header.seq),
        length,
      )}::int8[],
      ${int8Array(
        column(({ header }) => wholeMs(header.firstMs)),
        length,
      )}::int8[],
      ${int8Array(
        column(({ header }) => wholeMs(header.lastMs)),
        length,
      )}::int8[],
      ${int4Array(
        Int32Array.from(frames, ({ frame }) => frame.header.sampleCount),
        length,
      )}::int4[],
      ${byteaArray(frames.map(({ entry }) => entry.bytes))}::bytea[])`.execute(trx);
}

async function insertGaps(trx: Transaction<Tables>, key: number, gaps: readonly GapEntry[]): Promise<void> {
  await trx
    .insertInto('gaps')
    .values(
      gaps.map(({ epoch, seq, seqEnd, gap }) => ({
        gateway: key,
        epoch,
        seq,
        seq_end: seqEnd,
        reason: gap.reason,
        from_ms: wholeMs(gap.fromMs),
        to_ms: wholeMs(gap.toMs),
        samples: gap.samples ?? null,
        detail: gap.detail === undefined ? null : storable(gap.detail),
      })),
    )
    .execute();
}

async function insertEvents(
  trx: Transaction<Tables>,
  gateway: GatewayLines,
  events: readonly EventEntry[],
): Promise<void> {
  await trx
    .insertInto('events')
    .values(
      events.map(({ epoch, seq, event }) => ({
        gateway: gateway.key,
        epoch,
        seq,
        id: storable(event.id),
        at_ms: wholeMs(event.atMs),
        type: event.type,
        device_id: deviceOf(gateway, event.device),
        point: event.point === undefined ? null : storable(event.point),
        message: storable(event.message),
        data:
          event.data === undefined
            ? null
            : storable(JSON.stringify(event.data)).replaceAll('\\u0000', '\ufffd'),
      })),
    )
    .execute();
  await followAlarms(trx, gateway, events);
}

/** When the newest value of each device reached its gateway. */
function touchDevices(columns: RollupColumns, gateway: GatewayLines) {
  const newest = new Map<DeviceId, number>();
  const deviceOfSeries = new Map(gateway.lines.map((line) => [line.id, line.device]));
  for (let at = 0; at < columns.length; at++) {
    const device = deviceOfSeries.get(columns.series[at] as number);
    const ms = columns.lastGatewayMs[at] as number;
    if (device !== undefined && ms > (newest.get(device) ?? 0)) newest.set(device, ms);
  }
  return sql`
    update devices set last_value_ms = greatest(last_value_ms, v.ms)
    from unnest(
      ${textArray([...newest.keys()], newest.size)}::text[],
      ${int8Array(Float64Array.from(newest.values()), newest.size)}::int8[]) as v (id, ms)
    where devices.id = v.id`;
}
