interface InFlight {
  readonly seqEnd: number;
  readonly bytes: number;
  readonly sentAtMs: number;
}

/** Waiting in queues between here and the region's disk that is taken for granted. */
const TARGET_QUEUEING_MS = 400;
const MIN_BYTES = 64 * 1024;
const FIRST_BYTES = 256 * 1024;
const MAX_BYTES = 16 * 1024 * 1024;
/** The shortest answer ever seen is forgotten after one to two of these: routes change. */
const BASE_LIFE_MS = 60_000;

/**
 * How much may be on its way unacknowledged.
 *
 * Every queue on the path delays the live lane by what is in it, and kernels queue megabytes. So the window grows while
 * acknowledgements come back promptly and shrinks when they wait for longer than the shortest time seen plus
 * `TARGET_QUEUEING_MS`: latency that the path has by itself costs nothing.
 * @see RFC 6817 (LEDBAT), whose idea this is
 */
export class AckWindow {
  readonly #maxEntries: number;
  readonly #inFlight: InFlight[] = [];
  #bytes = 0;
  #limitBytes = FIRST_BYTES;
  #isStarting = true;
  #shrunkAtMs = Number.NEGATIVE_INFINITY;
  #baseMs = Number.POSITIVE_INFINITY;
  #recentBaseMs = Number.POSITIVE_INFINITY;
  #baseSinceMs = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly maxEntries: number }) {
    this.#maxEntries = options.maxEntries;
  }

  get entries(): number {
    return this.#inFlight.length;
  }

  get limitBytes(): number {
    return this.#limitBytes;
  }

  /** True when one more entry, of whatever size, may go. */
  get isOpen(): boolean {
    return this.#inFlight.length < this.#maxEntries && this.#bytes < this.#limitBytes;
  }

  sent(seqEnd: number, bytes: number, nowMs: number): void {
    this.#inFlight.push({ seqEnd, bytes, sentAtMs: nowMs });
    this.#bytes += bytes;
  }

  /** @returns how many entries this acknowledged */
  acked(seq: number, nowMs: number): number {
    const wasFull = !this.isOpen;
    let count = 0;
    let bytes = 0;
    let last: InFlight | undefined;
    for (const entry of this.#inFlight) {
      if (entry.seqEnd > seq) break;
      count += 1;
      bytes += entry.bytes;
      last = entry;
    }
    if (last === undefined) return 0;
    this.#inFlight.splice(0, count);
    this.#bytes -= bytes;
    this.#adapt(last, bytes, wasFull, nowMs);
    return count;
  }

  #adapt(last: InFlight, ackedBytes: number, wasFull: boolean, nowMs: number): void {
    const tookMs = nowMs - last.sentAtMs;
    if (nowMs - this.#baseSinceMs > BASE_LIFE_MS) {
      this.#baseMs = Math.min(this.#recentBaseMs, tookMs);
      this.#recentBaseMs = tookMs;
      this.#baseSinceMs = nowMs;
    }
    this.#recentBaseMs = Math.min(this.#recentBaseMs, tookMs);
    this.#baseMs = Math.min(this.#baseMs, tookMs);
    if (tookMs - this.#baseMs > TARGET_QUEUEING_MS) {
      // What was sent before the last cut says nothing about the cut.
      if (last.sentAtMs < this.#shrunkAtMs) return;
      this.#limitBytes = Math.max(MIN_BYTES, this.#limitBytes * 0.6);
      this.#isStarting = false;
      this.#shrunkAtMs = nowMs;
    } else if (wasFull) {
      const growth = this.#isStarting ? ackedBytes : (ackedBytes * MIN_BYTES) / this.#limitBytes;
      this.#limitBytes = Math.min(MAX_BYTES, this.#limitBytes + growth);
    }
  }
}
