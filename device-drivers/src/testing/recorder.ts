import type { DeviceSlug, PointNo, Sample, SampleBatch } from '@millwright/protocol';
import { MemoryLogger } from '@millwright/protocol/testing';
import type { DeviceState, DriverDeps } from '../driver.ts';
import { TrackingClock } from './tracking-clock.ts';

export interface RecordedState {
  readonly device: DeviceSlug;
  readonly state: DeviceState;
  /** How many samples had arrived when it was told. */
  readonly afterSamples: number;
}

/** Takes everything a driver says and keeps it in order. */
export class Recorder {
  readonly clock = new TrackingClock();
  readonly logger = new MemoryLogger();
  readonly samples: (Sample & { readonly point: PointNo })[] = [];
  readonly states: RecordedState[] = [];

  /** @param more what one protocol needs besides, such as `localBroker` */
  deps(more: Partial<DriverDeps> = {}): DriverDeps {
    return {
      clock: this.clock,
      logger: this.logger,
      sink: (batch: SampleBatch) => {
        for (let row = 0; row < batch.length; row++) this.samples.push(batch.sampleAt(row));
      },
      onState: (device, state) => {
        this.states.push({ device, state, afterSamples: this.samples.length });
      },
      ...more,
    };
  }

  of(point: PointNo): (Sample & { readonly point: PointNo })[] {
    return this.samples.filter((sample) => sample.point === point);
  }

  latest(point: PointNo): Sample | undefined {
    return this.samples.findLast((sample) => sample.point === point);
  }

  /** `up` and `down` in the order told. */
  history(device: DeviceSlug): string[] {
    return this.states
      .filter((told) => told.device === device)
      .map((told) => (told.state.online ? 'up' : 'down'));
  }

  /** Lines an operator would see about this device. */
  notices(device: DeviceSlug): string[] {
    return this.logger.lines
      .filter((line) => line.level !== 'debug' && line.fields.device === device)
      .map((line) => `${line.level}: ${line.message}`);
  }
}
