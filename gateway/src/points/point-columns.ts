import { bad, Kind, type PointNo, type SampleBatch, type Value } from '@millwright/protocol';

const FIRST_ROOM = 256;
const NOT_YET_READ = bad('not-yet-read');

/** The newest and the last reported sample of every point, in columns indexed by point number. */
export class PointColumns {
  isActive = new Uint8Array(0);
  kind = new Uint8Array(0);
  quality = new Uint8Array(0);
  tSourceMs = new Float64Array(0);
  tGatewayMs = new Float64Array(0);
  /** Monotonic: when the newest sample came, and when one was last reported. */
  seenAtMs = new Float64Array(0);
  reportedAtMs = new Float64Array(0);
  /** −1: every sample is reported. */
  deadband = new Float64Array(0);
  /** The same as a fraction of the value reported last; the wider of the two holds. */
  relativeDeadband = new Float64Array(0);
  heartbeatMs = new Float64Array(0);
  staleMs = new Float64Array(0);
  #value = new Float64Array(0);
  #words = new Int32Array(0);
  #bits = new BigInt64Array(0);
  #reportedValue = new Float64Array(0);
  #reportedWords = new Int32Array(0);
  #reportedKind = new Uint8Array(0);
  #reportedQuality = new Uint8Array(0);
  readonly #text = new Map<number, string>();
  readonly #reportedText = new Map<number, string>();

  /** Makes room for point `no`. */
  growTo(no: PointNo): void {
    if (no < this.isActive.length) return;
    const room = Math.max(FIRST_ROOM, 2 ** Math.ceil(Math.log2(no + 1)));
    this.isActive = grown(this.isActive, new Uint8Array(room));
    this.kind = grown(this.kind, new Uint8Array(room));
    this.quality = grown(this.quality, new Uint8Array(room));
    this.tSourceMs = grown(this.tSourceMs, new Float64Array(room));
    this.tGatewayMs = grown(this.tGatewayMs, new Float64Array(room));
    this.seenAtMs = grown(this.seenAtMs, new Float64Array(room));
    this.reportedAtMs = grown(this.reportedAtMs, new Float64Array(room));
    this.deadband = grown(this.deadband, new Float64Array(room));
    this.relativeDeadband = grown(this.relativeDeadband, new Float64Array(room));
    this.heartbeatMs = grown(this.heartbeatMs, new Float64Array(room));
    this.staleMs = grown(this.staleMs, new Float64Array(room));
    const cells = new ArrayBuffer(room * 8);
    this.#words = grown(this.#words, new Int32Array(cells));
    this.#value = new Float64Array(cells);
    this.#bits = new BigInt64Array(cells);
    const reportedCells = new ArrayBuffer(room * 8);
    this.#reportedWords = grown(this.#reportedWords, new Int32Array(reportedCells));
    this.#reportedValue = new Float64Array(reportedCells);
    this.#reportedKind = grown(this.#reportedKind, new Uint8Array(room));
    this.#reportedQuality = grown(this.#reportedQuality, new Uint8Array(room));
  }

  /** A point that has no value yet. */
  begin(no: PointNo, wallMs: number): void {
    this.clear(no);
    this.isActive[no] = 1;
    this.quality[no] = NOT_YET_READ;
    this.#reportedQuality[no] = NOT_YET_READ;
    this.tSourceMs[no] = wallMs;
    this.tGatewayMs[no] = wallMs;
  }

  clear(no: PointNo): void {
    if (no >= this.isActive.length) return;
    this.isActive[no] = 0;
    this.kind[no] = Kind.null;
    this.#reportedKind[no] = Kind.null;
    this.#text.delete(no);
    this.#reportedText.delete(no);
  }

  /** Whether the point was never read. */
  isBlank(no: PointNo): boolean {
    return this.quality[no] === NOT_YET_READ;
  }

  /** Makes row `row` the newest sample of its point. @returns whether it is to be reported; then it counts as reported */
  take(batch: SampleBatch, row: number, nowMs: number): boolean {
    this.put(batch, row, nowMs);
    const no = batch.point[row] as number;
    if (!this.#isNews(no, nowMs)) return false;
    this.markReported(no as PointNo, nowMs);
    return true;
  }

  /** Makes row `row` the newest sample of its point. */
  put(batch: SampleBatch, row: number, nowMs: number): void {
    const no = batch.point[row] as number;
    const kind = batch.kind[row] as Kind;
    this.kind[no] = kind;
    this.quality[no] = batch.quality[row] as number;
    this.tSourceMs[no] = batch.tSourceMs[row] as number;
    this.tGatewayMs[no] = batch.tGatewayMs[row] as number;
    this.seenAtMs[no] = nowMs;
    if (kind === Kind.text) {
      this.#text.set(no, batch.strings[batch.value[row] as number] ?? '');
    } else {
      this.#words[2 * no] = batch.words[2 * row] as number;
      this.#words[2 * no + 1] = batch.words[2 * row + 1] as number;
    }
  }

  /** The newest value, when it is a number; else NaN. Allocates nothing. */
  numberOf(no: number): number {
    const high = this.#words[2 * no + 1] as number;
    switch (this.kind[no]) {
      case Kind.float64:
        return this.#value[no] as number;
      case Kind.int64:
        return high * 0x1_0000_0000 + ((this.#words[2 * no] as number) >>> 0);
      case Kind.uint64:
        return (high >>> 0) * 0x1_0000_0000 + ((this.#words[2 * no] as number) >>> 0);
      default:
        return Number.NaN;
    }
  }

  /** The newest sample counts as reported from now on. */
  markReported(no: PointNo, nowMs: number): void {
    this.reportedAtMs[no] = nowMs;
    if (this.deadband[no] === -1) return;
    const kind = this.kind[no] as Kind;
    this.#reportedKind[no] = kind;
    this.#reportedQuality[no] = this.quality[no] as number;
    if (kind === Kind.text) this.#reportedText.set(no, this.#text.get(no) ?? '');
    else {
      this.#reportedWords[2 * no] = this.#words[2 * no] as number;
      this.#reportedWords[2 * no + 1] = this.#words[2 * no + 1] as number;
    }
  }

  /** Appends the newest sample with other times when they are given. */
  appendTo(
    no: PointNo,
    into: SampleBatch,
    tSourceMs = this.tSourceMs[no] as number,
    tGatewayMs = this.tGatewayMs[no] as number,
  ): void {
    const quality = this.quality[no] as number;
    if (this.kind[no] === Kind.text) {
      into.pushText(no, tSourceMs, tGatewayMs, this.#text.get(no) ?? '', quality);
      return;
    }
    into.pushNull(no, tSourceMs, tGatewayMs, quality);
    const row = into.length - 1;
    into.kind[row] = this.kind[no] as number;
    into.words[2 * row] = this.#words[2 * no] as number;
    into.words[2 * row + 1] = this.#words[2 * no + 1] as number;
  }

  valueOf(no: PointNo): Value {
    switch (this.kind[no]) {
      case Kind.float64:
        return this.#value[no] as number;
      case Kind.bool:
        return this.#value[no] !== 0;
      case Kind.int64:
        return this.#bits[no] as bigint;
      case Kind.uint64:
        return BigInt.asUintN(64, this.#bits[no] as bigint);
      case Kind.text:
        return this.#text.get(no) ?? '';
      default:
        return null;
    }
  }

  #isNews(no: number, nowMs: number): boolean {
    const deadband = this.deadband[no] as number;
    if (deadband === -1) return true;
    const kind = this.kind[no] as Kind;
    if (this.quality[no] !== this.#reportedQuality[no] || kind !== this.#reportedKind[no]) return true;
    if (nowMs - (this.reportedAtMs[no] as number) >= (this.heartbeatMs[no] as number)) return true;
    if (kind === Kind.text) return this.#text.get(no) !== this.#reportedText.get(no);
    const low = this.#words[2 * no] as number;
    const high = this.#words[2 * no + 1] as number;
    const reportedLow = this.#reportedWords[2 * no] as number;
    const reportedHigh = this.#reportedWords[2 * no + 1] as number;
    if (low === reportedLow && high === reportedHigh) return false;
    const relative = this.relativeDeadband[no] as number;
    if (kind === Kind.float64) {
      const reported = this.#reportedValue[no] as number;
      const band = Math.max(deadband, relative * Math.abs(reported));
      return !(Math.abs((this.#value[no] as number) - reported) <= band);
    }
    if (kind === Kind.bool) return true;
    // Close to exact without a BigInt: the difference of the high words first, so that nothing large cancels.
    const highs = kind === Kind.uint64 ? (high >>> 0) - (reportedHigh >>> 0) : high - reportedHigh;
    const change = Math.abs(highs * 0x1_0000_0000 + ((low >>> 0) - (reportedLow >>> 0)));
    if (relative === 0) return !(change <= deadband);
    const reportedTop = kind === Kind.uint64 ? reportedHigh >>> 0 : reportedHigh;
    const reported = Math.abs(reportedTop * 0x1_0000_0000 + (reportedLow >>> 0));
    return !(change <= Math.max(deadband, relative * reported));
  }
}

function grown<T extends Uint8Array | Int32Array | Float64Array>(from: T, into: T): T {
  into.set(from);
  return into;
}
