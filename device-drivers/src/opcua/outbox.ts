import { SampleBatch } from '@millwright/protocol';
import { type FromWorker, MAX_PACKED_SAMPLES, pack } from './messages.ts';

/** Samples sent and not yet acknowledged before the outbox holds back. */
const WINDOW_SAMPLES = 16 * MAX_PACKED_SAMPLES;

/**
 * Samples on their way to the parent: sent together at the end of the tick, never more than a window ahead.
 * When the parent does not keep up, older values of a point give way to its newest, and their number is told.
 */
export class Outbox {
  readonly #line: number;
  readonly #send: (message: FromWorker) => void;
  readonly #waiting: (() => void)[] = [];
  #pending: SampleBatch;
  #unacked = 0;
  #dropped = 0;
  #scheduled = false;

  constructor(options: {
    readonly line: number;
    /** How many different points may be pushed. */
    readonly points: number;
    /** Serialises before it returns. */
    readonly send: (message: FromWorker) => void;
  }) {
    this.#line = options.line;
    this.#send = options.send;
    this.#pending = new SampleBatch(Math.max(2 * MAX_PACKED_SAMPLES, 2 * options.points));
  }

  /** The batch to push one sample into, then call `pushed`. */
  get batch(): SampleBatch {
    return this.#pending;
  }

  pushed(): void {
    if (this.#pending.isFull) {
      this.flush();
      if (this.#pending.isFull) this.#keepNewest();
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  acked(samples: number): void {
    this.#unacked -= samples;
    this.flush();
    if (this.#hasRoom) for (const go of this.#waiting.splice(0)) go();
  }

  /** Resolves when there is room for many samples: whoever has more than the newest to give waits for it. */
  async room({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    this.flush();
    signal.throwIfAborted();
    if (this.#hasRoom) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push(resolve);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  get #hasRoom(): boolean {
    return this.#pending.length === 0 && this.#unacked < WINDOW_SAMPLES / 2;
  }

  flush(): void {
    if (this.#pending.length === 0 || this.#unacked >= WINDOW_SAMPLES) return;
    for (let from = 0; from < this.#pending.length; from += MAX_PACKED_SAMPLES) {
      const to = Math.min(from + MAX_PACKED_SAMPLES, this.#pending.length);
      const samples = pack(this.#pending, from, to);
      this.#unacked += to - from;
      this.#send({ op: 'samples', line: this.#line, samples, dropped: this.#dropped });
      this.#dropped = 0;
    }
    this.#pending.clear();
  }

  #keepNewest(): void {
    const newest = new Map<number, number>();
    for (let row = 0; row < this.#pending.length; row++) newest.set(this.#pending.point[row] ?? 0, row);
    const kept = new SampleBatch(this.#pending.capacity);
    for (const row of [...newest.values()].sort((a, b) => a - b)) kept.copyRow(this.#pending, row);
    this.#dropped += this.#pending.length - kept.length;
    this.#pending = kept;
  }
}
