import {
  type Clock,
  type DeviceSpec,
  delay,
  type Lifecycle,
  type Logger,
  type PointId,
  type PointNo,
  type Sample,
  UnavailableError,
} from '@millwright/protocol';
import type { DeviceState, Driver, MqttLink } from '../driver.ts';
import { type Environment, lineOf } from './site.ts';

export interface ConversationDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly environment: Environment;
  /** For a device on the gateway's own broker. */
  readonly localBroker?: MqttLink;
  /** Where a gateway's drivers keep their files. */
  readonly stateDir?: string;
}

const POLL_MS = 20;

/** Talks to one device through its real driver, and remembers what it said last. */
export class Conversation implements Lifecycle {
  readonly spec: DeviceSpec;
  readonly driver: Driver;
  readonly #deps: ConversationDeps;
  readonly #numbers: ReadonlyMap<PointId, PointNo>;
  readonly #latest: Map<PointNo, Sample>;
  readonly #state: () => DeviceState | undefined;

  private constructor(
    deps: ConversationDeps,
    known: {
      readonly spec: DeviceSpec;
      readonly driver: Driver;
      readonly numbers: ReadonlyMap<PointId, PointNo>;
      readonly latest: Map<PointNo, Sample>;
      readonly state: () => DeviceState | undefined;
    },
  ) {
    this.#deps = deps;
    this.spec = known.spec;
    this.driver = known.driver;
    this.#numbers = known.numbers;
    this.#latest = known.latest;
    this.#state = known.state;
  }

  /** @throws InvalidInputError for what the driver can tell to be wrong without the device */
  static async with(spec: DeviceSpec, deps: ConversationDeps): Promise<Conversation> {
    const { clock, logger, environment, localBroker, stateDir } = deps;
    const line = await lineOf(spec);
    const latest = new Map<PointNo, Sample>();
    let state: DeviceState | undefined;
    const driver = line.create({
      clock,
      logger,
      secret: (name) => environment[name],
      ...(localBroker === undefined ? {} : { localBroker }),
      ...(stateDir === undefined ? {} : { stateDir }),
      onState: (_device, now) => {
        state = now;
      },
      sink: (batch) => {
        for (let row = 0; row < batch.length; row++) {
          const sample = batch.sampleAt(row);
          latest.set(sample.point, sample);
        }
      },
    });
    return new Conversation(deps, { spec, driver, numbers: line.numbers, latest, state: () => state });
  }

  async start(): Promise<void> {
    await this.#deps.localBroker?.start();
    await this.driver.start();
  }

  async stop(): Promise<void> {
    await this.driver.stop();
    await this.#deps.localBroker?.stop();
  }

  sampleOf(point: PointId): Sample | undefined {
    const number = this.#numbers.get(point);
    return number === undefined ? undefined : this.#latest.get(number);
  }

  /**
   * Waits until each point has a good value, the device is known to be away, or the time is over.
   * @returns whether each has one
   */
  async awaitGood(points: readonly PointId[], timeoutMs: number): Promise<boolean> {
    const good = () => points.every((point) => this.sampleOf(point)?.q === 'good');
    await this.until(() => good() || this.#state()?.online === false, timeoutMs);
    return good();
  }

  /** @throws UnavailableError `DEVICE_OFFLINE` */
  async awaitOnline(timeoutMs: number): Promise<void> {
    await this.until(() => this.#state() !== undefined, timeoutMs);
    const state = this.#state();
    if (state?.online === true) return;
    const why = state?.online === false ? state.why : 'it did not answer in time';
    throw new UnavailableError('DEVICE_OFFLINE', `${this.spec.id}: ${why}`, {
      hint: 'check its address and that it is switched on; --timeout waits longer',
    });
  }

  /** Why the device is away, if it is. */
  get offlineBecause(): string | undefined {
    const state = this.#state();
    return state?.online === false ? state.why : undefined;
  }

  /** @returns false when the time was over first */
  async until(done: () => boolean | Promise<boolean>, timeoutMs: number): Promise<boolean> {
    const { clock } = this.#deps;
    const end = clock.monotonicMs() + timeoutMs;
    while (!(await done())) {
      if (clock.monotonicMs() >= end) return false;
      await delay(clock, POLL_MS);
    }
    return true;
  }
}
