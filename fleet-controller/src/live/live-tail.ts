import { Kind, type SampleBatch } from '@millwright/protocol';

const SEGMENT_ROWS = 16_384;
/** About 30 MB when full. */
const MAX_SEGMENTS = 64;

interface Segment {
  readonly slot: Int32Array;
  readonly tSourceMs: Float64Array;
  readonly words: Int32Array;
  readonly kind: Uint8Array;
  readonly quality: Uint8Array;
  readonly texts: string[];
  rows: number;
  /** When its last row came, monotonic. */
  lastAtMs: number;
}

/**
 * The live values of the last minutes, of all points in one bounded list, so that a chart has no hole between the
 * last stored frame and now. Whole segments are dropped when old, or when there are too many.
 */
export class LiveTail {
  readonly #keptMs: number;
  #segments: Segment[] = [];

  constructor(options: { readonly keptMs: number }) {
    this.#keptMs = options.keptMs;
  }

  add(slot: number, batch: SampleBatch, row: number, nowMs: number): void {
    let segment = this.#segments.at(-1);
    if (segment === undefined || segment.rows === SEGMENT_ROWS) segment = this.#open(nowMs);
    const at = segment.rows++;
    segment.slot[at] = slot;
    segment.tSourceMs[at] = batch.tSourceMs[row] as number;
    segment.kind[at] = batch.kind[row] as number;
    segment.quality[at] = batch.quality[row] as number;
    segment.lastAtMs = nowMs;
    if (batch.kind[row] === Kind.text) {
      segment.words[2 * at] = segment.texts.push(batch.strings[batch.value[row] as number] ?? '') - 1;
    } else {
      segment.words[2 * at] = batch.words[2 * row] as number;
      segment.words[2 * at + 1] = batch.words[2 * row + 1] as number;
    }
  }

  /** Appends the rows of `slot` with a source time after `afterMs` to `into`, in order of arrival, until it is full. */
  read(slot: number, afterMs: number, into: SampleBatch): void {
    for (const segment of this.#segments) {
      for (let at = 0; at < segment.rows && !into.isFull; at++) {
        if (segment.slot[at] !== slot || (segment.tSourceMs[at] as number) <= afterMs) continue;
        copy(segment, at, into);
      }
    }
  }

  #open(nowMs: number): Segment {
    this.#segments = this.#segments.filter(({ lastAtMs }) => nowMs - lastAtMs <= this.#keptMs);
    if (this.#segments.length === MAX_SEGMENTS) this.#segments.shift();
    const segment: Segment = {
      slot: new Int32Array(SEGMENT_ROWS),
      tSourceMs: new Float64Array(SEGMENT_ROWS),
      words: new Int32Array(2 * SEGMENT_ROWS),
      kind: new Uint8Array(SEGMENT_ROWS),
      quality: new Uint8Array(SEGMENT_ROWS),
      texts: [],
      rows: 0,
      lastAtMs: nowMs,
    };
    this.#segments.push(segment);
    return segment;
  }
}

function copy(from: Segment, at: number, into: SampleBatch): void {
  const tSourceMs = from.tSourceMs[at] as number;
  const row = into.length;
  into.pushNull(
    0 as Parameters<SampleBatch['pushNull']>[0],
    tSourceMs,
    tSourceMs,
    from.quality[at] as number,
  );
  into.kind[row] = from.kind[at] as number;
  if (from.kind[at] === Kind.text) {
    into.value[row] = into.strings.push(from.texts[from.words[2 * at] as number] ?? '') - 1;
  } else {
    into.words[2 * row] = from.words[2 * at] as number;
    into.words[2 * row + 1] = from.words[2 * at + 1] as number;
  }
}
