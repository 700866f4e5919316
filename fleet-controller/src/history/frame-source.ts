import {
  decodeFrame,
  type GatewayId,
  MAX_FRAME_SAMPLES,
  type PointNo,
  SampleBatch,
} from '@millwright/protocol';
import { type Kysely, sql } from 'kysely';
import type { Tables } from '../store/tables.ts';

/** A point as one gateway's frames have it. */
export interface FramePointRef {
  readonly key: number;
  readonly gateway: GatewayId;
  readonly no: PointNo;
  readonly series: number;
}

interface FrameRef {
  readonly gateway: number;
  readonly epoch: number;
  readonly seq: number;
  readonly first_ms: number;
  readonly bytes: number;
}

/** Frames longer than this are looked for apart: see the index `frames_long`. */
const LONG_MS = 600_000;
const MAX_FRAMES = 20_000;
const FRAMES_AT_ONCE = 32;

/** Which frames may hold samples between two times, oldest first, without their bytes. */
export class FrameSource {
  readonly #db: Kysely<Tables>;
  readonly #batch = new SampleBatch(MAX_FRAME_SAMPLES);

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  async find(gateways: readonly number[], fromMs: number, toMs: number): Promise<FrameRef[]> {
    const columns = sql`gateway, epoch, seq, first_ms, octet_length(bytes) as bytes`;
    const { rows } = await sql<FrameRef>`
      select ${columns} from frames
      where gateway = any(${gateways}::int4[])
        and first_ms between ${fromMs - LONG_MS}::int8 and ${toMs}::int8 and last_ms >= ${fromMs}::int8
      union
      select ${columns} from frames
      where gateway = any(${gateways}::int4[])
        and last_ms - first_ms > ${sql.lit(LONG_MS)} and last_ms >= ${fromMs}::int8 and first_ms <= ${toMs}::int8
      order by first_ms limit ${MAX_FRAMES}`.execute(this.#db);
    return rows;
  }

  /**
   * Hands every sample of `points` in `frames` to `each`, frame by frame; stops early when `each` answers false.
   * @returns the first frame that was not read, because `maxBytes` were
   */
  async read(
    frames: readonly FrameRef[],
    points: readonly FramePointRef[],
    maxBytes: number,
    each: (batch: SampleBatch) => boolean,
  ): Promise<FrameRef | undefined> {
    let bytes = 0;
    for (let at = 0; at < frames.length; at += FRAMES_AT_ONCE) {
      const page = frames.slice(at, at + FRAMES_AT_ONCE);
      if (bytes > maxBytes) return page[0];
      bytes += page.reduce((sum, frame) => sum + frame.bytes, 0);
      for (const row of await this.#load(page)) {
        const frame = decodeFrame(row.bytes);
        this.#batch.clear();
        for (const point of points) {
          if (point.key === row.gateway) frame.readPoint(point.no, this.#batch);
        }
        if (!each(this.#batch)) return frames[at + FRAMES_AT_ONCE];
      }
    }
    return undefined;
  }

  async #load(page: readonly FrameRef[]): Promise<{ readonly gateway: number; readonly bytes: Buffer }[]> {
    const { rows } = await sql<{ gateway: number; bytes: Buffer }>`
      select gateway, bytes from frames
      where (gateway, epoch, seq) in (select * from unnest(
        ${page.map((frame) => frame.gateway)}::int4[],
        ${page.map((frame) => frame.epoch)}::int8[],
        ${page.map((frame) => frame.seq)}::int8[]))
      order by first_ms`.execute(this.#db);
    return rows;
  }
}
