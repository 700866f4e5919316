import {
  bad,
  type Clock,
  type DeviceSlug,
  type Logger,
  type Reason,
  SampleBatch,
  type SampleSink,
} from '@millwright/protocol';
import type { DeviceState, DriverDeps } from '../driver.ts';
import { decodeInto, loadFactor, type MappedPoint } from './codec.ts';
import type { ReadRange } from './plan.ts';

const MAX_BATCH_ROWS = 2000;

/** Turns answers and outages into samples and states. One batch is filled again and again. */
export class Reporter {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly #sink: SampleSink;
  readonly #onState: DriverDeps['onState'];
  readonly #batch: SampleBatch;

  /** @param mostPoints how many points the largest device has */
  constructor(deps: DriverDeps, mostPoints: number) {
    this.clock = deps.clock;
    this.logger = deps.logger;
    this.#sink = deps.sink;
    this.#onState = deps.onState;
    this.#batch = new SampleBatch(Math.min(MAX_BATCH_ROWS, Math.max(1, mostPoints)));
  }

  values(range: ReadRange<MappedPoint>, data: Uint8Array): void {
    const nowMs = this.clock.wallMs();
    for (const point of range.points) {
      if (point.tells !== undefined) loadFactor(point, data, range.address);
    }
    for (const point of range.points) {
      decodeInto(this.#batch, point, data, range.address, nowMs);
      if (this.#batch.isFull) this.#flush();
    }
    this.#flush();
  }

  missing(points: Iterable<MappedPoint>, reason: Reason): void {
    const nowMs = this.clock.wallMs();
    const quality = bad(reason);
    for (const point of points) {
      this.#batch.pushNull(point.no, nowMs, nowMs, quality);
      if (this.#batch.isFull) this.#flush();
    }
    this.#flush();
  }

  state(device: DeviceSlug, state: DeviceState): void {
    if (state.online) this.logger.info({ device }, `${device} answers`);
    else this.logger.warn({ device, why: state.why }, `${device} is not reachable: ${state.why}`);
    this.#onState(device, state);
  }

  #flush(): void {
    if (this.#batch.length === 0) return;
    this.#sink(this.#batch);
    this.#batch.clear();
  }
}
