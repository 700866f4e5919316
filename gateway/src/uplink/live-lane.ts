import {
  type Clock,
  delay,
  FrameWriter,
  LimitError,
  LiveUp,
  type Logger,
  PROTOCOLS,
  SampleBatch,
} from '@millwright/protocol';
import type { Channel, HostConnection } from '@millwright/protocol/node';
import { z } from 'zod';
import type { LiveSource } from './ports.ts';
import { Wake } from './wake.ts';

const INTERVAL_MS = 20;
const BATCH_ROWS = 4096;
const REOPEN_AFTER_MS = 5_000;
/** Which journal life a frame belongs to; live frames belong to none. */
const LIVE_FRAME = { epoch: 0, seq: 0 };

const SCHEMAS = { receive: z.never(), send: LiveUp };

export interface LiveLaneDeps {
  readonly connection: HostConnection;
  readonly source: LiveSource;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onSent: (frame: { readonly bytes: number }) => void;
}

/**
 * The best-effort half of one connection: a change goes up at once, later ones at most every 20 ms. While the link is
 * busy nothing is queued: the source keeps the newest value of each point, and that is what goes next.
 */
export class LiveLane {
  readonly #deps: LiveLaneDeps;
  readonly #wake = new Wake();
  readonly #batch = new SampleBatch(BATCH_ROWS);
  readonly #writer = new FrameWriter();

  constructor(deps: LiveLaneDeps) {
    this.#deps = deps;
  }

  /** Sends until the signal aborts; never rejects. A stream that fails alone is opened again after a while. */
  async run(signal: AbortSignal): Promise<void> {
    const { connection, source, clock, logger } = this.#deps;
    const unsubscribe = source.onDirty(this.#wake.set);
    while (!signal.aborted) {
      try {
        await this.#send(await connection.open(PROTOCOLS.live, SCHEMAS, { signal }), signal);
      } catch (error) {
        if (signal.aborted) break;
        logger.debug({ err: error }, 'live stream lost');
        await delay(clock, REOPEN_AFTER_MS, { signal }).catch(() => undefined);
      }
    }
    unsubscribe();
  }

  async #send(channel: Channel<never, LiveUp>, signal: AbortSignal): Promise<never> {
    const { source, clock } = this.#deps;
    source.markAllDirty();
    this.#wake.set();
    let sentAtMs = Number.NEGATIVE_INFINITY;
    for (;;) {
      await this.#wake.wait(signal);
      await delay(clock, Math.max(0, sentAtMs + INTERVAL_MS - clock.monotonicMs()), { signal });
      await channel.drained({ signal });
      this.#batch.clear();
      if (!source.drainInto(this.#batch)) continue;
      sentAtMs = clock.monotonicMs();
      if (this.#batch.isFull) this.#wake.set();
      await this.#sendBatch(channel, signal);
    }
  }

  async #sendBatch(channel: Channel<never, LiveUp>, signal: AbortSignal): Promise<void> {
    let row = 0;
    while (row < this.#batch.length) {
      row += this.#append(row);
      if (this.#writer.sampleCount === 0) return;
      const bytes = this.#writer.seal(LIVE_FRAME);
      await channel.send({ type: 'live', bytes }, { signal });
      this.#deps.onSent({ bytes: bytes.length });
    }
  }

  /** @returns how many rows are dealt with: a text too long for a frame has no place in the live lane */
  #append(fromRow: number): number {
    const before = this.#writer.sampleCount;
    try {
      return this.#writer.append(this.#batch, fromRow);
    } catch (error) {
      if (!(error instanceof LimitError)) throw error;
      return this.#writer.sampleCount - before + 1;
    }
  }
}
