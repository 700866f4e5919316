import { bad, Kind, MAX_TEXT_LENGTH, type PointNo, SampleBatch } from '@millwright/protocol';

const CHUNK_ROWS = 4096;
/** Columns of one row. */
const ROW_BYTES = 30;
const FREE_CHUNKS = 4;
/** Long texts close a chunk early, so that dropping one frees about the same everywhere. */
const CHUNK_TEXT_BYTES = 256 * 1024;
const TEXT_ROWS_AT_ONCE = 16;
/** Below this, copying row by row is cheaper than making views of the columns. */
const BULK_ROWS = 16;

/** Rows in the order they were appended. `start` is the number of its first row, counted over the whole life. */
interface Chunk {
  readonly rows: SampleBatch;
  start: number;
  textBytes: number;
}

export interface Lost {
  readonly samples: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Samples between `append` and the disk. Rows pass two marks in order: *framed* (copied into the open frame)
 * and *durable* (on disk, in a frame or a write-ahead record); rows up to the durable mark are given up.
 * When the queue is full the oldest rows not yet framed are dropped and counted.
 */
export class RowQueue {
  readonly #maxBytes: number;
  readonly #chunks: Chunk[] = [];
  readonly #free: SampleBatch[] = [];
  #appended = 0;
  #framed = 0;
  #durable = 0;
  #rows = 0;
  #bytes = 0;
  #lost: Lost | undefined;

  constructor(options: { readonly maxBytes: number }) {
    this.#maxBytes = options.maxBytes;
  }

  /** Number the next appended row gets. */
  get appended(): number {
    return this.#appended;
  }

  get framed(): number {
    return this.#framed;
  }

  /** Rows that are not durable and not dropped. */
  get pending(): number {
    return this.#rows - Math.max(0, this.#durable - this.#firstStart());
  }

  get unframed(): number {
    let count = 0;
    for (let at = this.#chunks.length - 1; at >= 0; at--) {
      const { start, rows } = this.#chunks[at] as Chunk;
      if (start + rows.length <= this.#framed) break;
      count += start + rows.length - Math.max(start, this.#framed);
    }
    return count;
  }

  /** Number of the oldest row that is neither durable nor dropped. */
  get oldestPending(): number {
    for (const { start, rows } of this.#chunks) {
      if (start + rows.length > this.#durable) return Math.max(start, this.#durable);
    }
    return this.#appended;
  }

  /** When the first row came, epoch ms, that is neither durable nor before number `from`; undefined when there is none. */
  gatewayMsFrom(from: number): number | undefined {
    const first = Math.max(from, this.#durable);
    for (const { start, rows } of this.#chunks) {
      if (start + rows.length > first) return rows.tGatewayMs[Math.max(0, first - start)];
    }
    return undefined;
  }

  append(batch: SampleBatch): void {
    for (let from = 0; from < batch.length; ) {
      const chunk = this.#tail();
      const hasText = batch.strings.length > 0;
      const count = Math.min(
        batch.length - from,
        CHUNK_ROWS - chunk.rows.length,
        hasText ? TEXT_ROWS_AT_ONCE : CHUNK_ROWS,
      );
      if (!hasText && count >= BULK_ROWS) copyColumns(batch, from, count, chunk.rows);
      else this.#copyRows(batch, from, count, chunk);
      this.#rows += count;
      this.#bytes += count * ROW_BYTES;
      this.#appended += count;
      from += count;
    }
    while (this.#bytes > this.#maxBytes && this.#dropOldest());
  }

  /**
   * Offers the rows after the framed mark, oldest first, and moves the mark by what was taken.
   * @param take returns how many of rows `from … to − 1` it took; fewer than all ends the walk
   * @returns false when `take` left rows behind
   */
  frame(
    take: (rows: SampleBatch, from: number, to: number) => number,
    limit = Number.POSITIVE_INFINITY,
  ): boolean {
    let left = limit;
    for (const { start, rows } of this.#chunks) {
      if (start + rows.length <= this.#framed) continue;
      if (left <= 0) return true;
      const from = Math.max(0, this.#framed - start);
      const to = Math.min(rows.length, from + left);
      const taken = take(rows, from, to);
      this.#framed = start + from + taken;
      left -= taken;
      if (from + taken < to) return false;
    }
    return true;
  }

  /** Shows the rows after number `from` that are framed, oldest first. */
  eachFramed(from: number, show: (rows: SampleBatch, from: number, to: number) => void): void {
    for (const { start, rows } of this.#chunks) {
      const end = Math.min(start + rows.length, this.#framed);
      if (end <= from || end <= start) continue;
      show(rows, Math.max(0, from - start), end - start);
    }
  }

  /** Gives up the rows before number `upTo`, which are on disk. */
  settle(upTo: number): void {
    this.#durable = Math.max(this.#durable, upTo);
    let first = this.#chunks[0];
    while (first !== undefined && first.start + first.rows.length <= this.#durable) {
      // The tail is kept while it has room: at low rates one chunk serves for ever.
      if (this.#chunks.length === 1 && !isClosed(first)) {
        this.#rewind(first);
        return;
      }
      this.#chunks.shift();
      this.#giveBack(first);
      first = this.#chunks[0];
    }
  }

  /** What was dropped since the last call. */
  takeLost(): Lost | undefined {
    const lost = this.#lost;
    this.#lost = undefined;
    return lost;
  }

  #firstStart(): number {
    return this.#chunks[0]?.start ?? this.#durable;
  }

  #tail(): Chunk {
    const last = this.#chunks.at(-1);
    if (last !== undefined && !isClosed(last)) return last;
    const rows = this.#free.pop() ?? new SampleBatch(CHUNK_ROWS);
    const chunk = { rows, start: this.#appended, textBytes: 0 };
    this.#chunks.push(chunk);
    return chunk;
  }

  /** Empties the only chunk in place. */
  #rewind(chunk: Chunk): void {
    this.#rows -= chunk.rows.length;
    this.#bytes -= chunk.rows.length * ROW_BYTES + chunk.textBytes;
    chunk.rows.clear();
    chunk.textBytes = 0;
    chunk.start = this.#appended;
  }

  #giveBack(chunk: Chunk): void {
    this.#rows -= chunk.rows.length;
    this.#bytes -= chunk.rows.length * ROW_BYTES + chunk.textBytes;
    chunk.rows.clear();
    if (this.#free.length < FREE_CHUNKS) this.#free.push(chunk.rows);
  }

  #copyRows(batch: SampleBatch, from: number, count: number, chunk: Chunk): void {
    for (let row = from; row < from + count; row++) {
      if (batch.kind[row] === Kind.text) {
        const text = batch.strings[batch.value[row] as number] ?? '';
        if (text.length > MAX_TEXT_LENGTH) {
          // A cut text would be a wrong value.
          chunk.rows.pushNull(
            batch.point[row] as PointNo,
            batch.tSourceMs[row] as number,
            batch.tGatewayMs[row] as number,
            bad('out-of-range'),
          );
          continue;
        }
        chunk.textBytes += 2 * text.length;
        this.#bytes += 2 * text.length;
      }
      chunk.rows.copyRow(batch, row);
    }
  }

  #dropOldest(): boolean {
    const at = this.#chunks.findIndex((chunk) => chunk.start >= this.#framed && chunk.rows.length > 0);
    const chunk = this.#chunks[at];
    if (chunk === undefined || (at === this.#chunks.length - 1 && !isClosed(chunk))) return false;
    let fromMs = this.#lost?.fromMs ?? Number.POSITIVE_INFINITY;
    let toMs = this.#lost?.toMs ?? Number.NEGATIVE_INFINITY;
    for (let row = 0; row < chunk.rows.length; row++) {
      const time = chunk.rows.tGatewayMs[row] as number;
      if (time < fromMs) fromMs = time;
      if (time > toMs) toMs = time;
    }
    this.#lost = { samples: (this.#lost?.samples ?? 0) + chunk.rows.length, fromMs, toMs };
    this.#chunks.splice(at, 1);
    this.#giveBack(chunk);
    return true;
  }
}

function isClosed(chunk: Chunk): boolean {
  return chunk.rows.isFull || chunk.textBytes >= CHUNK_TEXT_BYTES;
}

function copyColumns(from: SampleBatch, row: number, count: number, into: SampleBatch): void {
  const at = into.length;
  const end = row + count;
  into.point.set(from.point.subarray(row, end), at);
  into.tSourceMs.set(from.tSourceMs.subarray(row, end), at);
  into.tGatewayMs.set(from.tGatewayMs.subarray(row, end), at);
  into.kind.set(from.kind.subarray(row, end), at);
  into.quality.set(from.quality.subarray(row, end), at);
  into.words.set(from.words.subarray(2 * row, 2 * end), 2 * at);
  into.length = at + count;
}
