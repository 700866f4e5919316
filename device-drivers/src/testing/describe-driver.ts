import {
  type DriverName,
  delay,
  InvalidInputError,
  type PointId,
  type PointNo,
  type Sample,
  UnavailableError,
  type Value,
} from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Driver, DriverDeps, DriverDevice, DriverModule } from '../driver.ts';
import { Recorder } from './recorder.ts';

/**
 * A real device, server or broker that the suite holds in its hands: in this process or a child.
 * It keeps its address and its values while it is stopped.
 */
export interface DriverPeer<D extends DriverName> {
  /** One device with at least the points named by the harness; its scan or publish intervals are short. */
  readonly device: DriverDevice<D>;
  /** What `DriverDeps` needs besides, such as `localBroker`. */
  readonly deps?: Partial<DriverDeps>;
  /** Listens on the same address as before. Running already: does nothing. */
  start(): Promise<void>;
  /** Pulls the plug: every connection breaks. */
  stop(): Promise<void>;
  /** Makes the device have this value and tell it the way its protocol does. */
  set(point: PointId, value: Value): Promise<void>;
  /** What the device has now. */
  get(point: PointId): Promise<Value>;
  /** Makes the device answer for this point with something that is no value of its type. */
  spoil?(point: PointId): Promise<void>;
  /** Connections the device has accepted and not seen closed. */
  connections(): number;
  /** Ends everything, files included. */
  dispose(): Promise<void>;
}

export interface DriverHarness<D extends DriverName> {
  /** Shown in the test names; default the driver's. */
  readonly name?: string;
  readonly module: DriverModule<D>;
  /** Resolves with a peer that is not started. */
  createPeer(): Promise<DriverPeer<D>>;
  readonly points: {
    /** A number that is read. */
    readonly number: PointId;
    /** A number that can be written; absent: the driver writes nothing. */
    readonly writable?: PointId;
    /** A point that `spoil` works on; absent: nothing can be undecodable. */
    readonly spoilable?: PointId;
  };
  /** Two different values for `number` and `writable`; the device can hold both exactly. */
  readonly values: readonly [number, number];
  /** False: the device cannot go away (the machine itself). */
  readonly unplugs: boolean;
  /** False: the protocol cannot be asked, and `read` answers null. */
  readonly reads: boolean;
  /** Longest time from the peer's return to the first good sample, backoff included. Default 12 s. */
  readonly recoveryMs?: number;
}

/** Long enough for several attempts to connect: each must be silent. */
const OUTAGE_MS = 800;

const never = new AbortController().signal;

/**
 * The rules of the `Driver` port, against a real peer.
 * Call it at the top of a protocol's `driver.test.ts`; what is special to the protocol is tested beside it.
 */
export function describeDriver<D extends DriverName>(harness: DriverHarness<D>): void {
  const { module, points, values } = harness;
  const patience = { timeout: harness.recoveryMs ?? 12_000, interval: 20 };
  const slow = { timeout: 3 * patience.timeout };

  describe(`driver contract: ${harness.name ?? module.driver}`, () => {
    let peer: DriverPeer<D>;
    let seen: Recorder;
    let driver: Driver;

    const no = (point: PointId): PointNo => {
      const number = peer.device.numbers.get(point);
      if (number === undefined) throw new InvalidInputError('HARNESS', `the peer has no point "${point}"`);
      return number;
    };
    const numbers = () => [...peer.device.numbers.values()];
    const slug = () => peer.device.spec.id;
    const good = (point: PointId): Sample | undefined =>
      seen.of(no(point)).findLast((sample) => sample.q === 'good');
    const until = (check: () => void) => vi.waitFor(check, patience);
    const online = () => until(() => expect(seen.history(slug()).at(-1)).toBe('up'));
    const allGood = () =>
      until(() => expect(numbers().every((number) => seen.latest(number)?.q === 'good')).toBe(true));

    beforeEach(async () => {
      peer = await harness.createPeer();
      seen = new Recorder();
      driver = module.create([peer.device], seen.deps(peer.deps));
    }, slow.timeout);

    afterEach(async () => {
      await driver.stop();
      await peer.dispose();
    }, slow.timeout);

    it(
      'gives every point of a reachable device a good sample and says once that it is online',
      slow,
      async () => {
        await peer.start();
        await peer.set(points.number, values[0]);
        await driver.start();
        await allGood();
        expect(seen.history(slug())).toEqual(['up']);
        const sample = good(points.number);
        if (harness.unplugs) expect(sample?.v).toBe(values[0]);
        expect(sample?.tSource).toBeLessThanOrEqual(seen.clock.wallMs());
        expect(sample?.tGateway).toBeLessThanOrEqual(seen.clock.wallMs());
      },
    );

    it.runIf(harness.unplugs)('passes on a change of a value', slow, async () => {
      await peer.start();
      await peer.set(points.number, values[0]);
      await driver.start();
      await until(() => expect(good(points.number)?.v).toBe(values[0]));
      await peer.set(points.number, values[1]);
      await until(() => expect(good(points.number)?.v).toBe(values[1]));
    });

    it.runIf(harness.unplugs)(
      'starts without the device, says once why each value is missing, and finds the device later',
      slow,
      async () => {
        await driver.start();
        await until(() => expect(seen.states).toHaveLength(1));
        const first = seen.states[0]?.state;
        expect(first?.online).toBe(false);
        if (first?.online === false) expect(first.why).not.toBe('');
        await until(() => expect(seen.samples.length).toBe(numbers().length));
        for (const sample of seen.samples) {
          expect(sample).toMatchObject({ v: null, q: 'bad' });
          expect(sample.why).toBeDefined();
        }
        await peer.start();
        await peer.set(points.number, values[0]);
        await allGood();
        await until(() => expect(good(points.number)?.v).toBe(values[0]));
        expect(seen.history(slug())).toEqual(['down', 'up']);
        for (const number of numbers()) expect(seen.of(number).filter(isBad)).toHaveLength(1);
      },
    );

    it.runIf(harness.unplugs)(
      'marks every value bad once when the device is unplugged and goes on by itself when it is back',
      slow,
      async () => {
        await peer.start();
        await peer.set(points.number, values[0]);
        await driver.start();
        await allGood();
        const before = seen.notices(slug()).length;
        for (const round of [1, 2]) {
          await peer.stop();
          await until(() => expect(seen.history(slug()).at(-1)).toBe('down'));
          await until(() => {
            for (const number of numbers()) expect(seen.latest(number)).toMatchObject({ v: null, q: 'bad' });
          });
          await delay(systemClock, OUTAGE_MS);
          await peer.start();
          await peer.set(points.number, values[1]);
          await online();
          await allGood();
          await until(() => expect(good(points.number)?.v).toBe(values[1]));
          for (const number of numbers()) expect(seen.of(number).filter(isBad)).toHaveLength(round);
        }
        expect(seen.history(slug())).toEqual(['up', 'down', 'up', 'down', 'up']);
        expect(seen.notices(slug()).length - before).toBe(4);
      },
    );

    it.runIf(points.writable !== undefined)('writes a value that can be read back', slow, async () => {
      const point = points.writable as PointId;
      await peer.start();
      await peer.set(point, values[0]);
      await driver.start();
      await online();
      await driver.write(slug(), point, values[1], { signal: never });
      await until(async () => expect(await peer.get(point)).toBe(values[1]));
      expect(await driver.read(slug(), point, { signal: never })).toBe(harness.reads ? values[1] : null);
    });

    it.runIf(points.writable !== undefined && harness.unplugs)(
      'refuses a write while the device is away',
      slow,
      async () => {
        const write = () => driver.write(slug(), points.writable as PointId, values[0], { signal: never });
        await expect(write()).rejects.toBeInstanceOf(UnavailableError);
        await driver.start();
        await until(() => expect(seen.states).toHaveLength(1));
        await expect(write()).rejects.toMatchObject({ code: 'DEVICE_OFFLINE', retry: 'backoff' });
      },
    );

    it.runIf(points.writable !== undefined)(
      'refuses a value that the point cannot hold, a point it does not have and a cancelled write',
      slow,
      async () => {
        const point = points.writable as PointId;
        await peer.start();
        await peer.set(point, values[0]);
        await driver.start();
        await online();
        const refused = (point: PointId, value: Value, signal = never) =>
          expect(driver.write(slug(), point, value, { signal })).rejects;
        await refused(point, 'no number').toBeInstanceOf(InvalidInputError);
        await refused(point, null).toBeInstanceOf(InvalidInputError);
        await refused('no_such_point' as PointId, values[1]).toBeInstanceOf(InvalidInputError);
        const reason = new InvalidInputError('CANCELLED', 'cancelled by the test');
        await refused(point, values[1], AbortSignal.abort(reason)).toBe(reason);
        expect(await peer.get(point)).toBe(values[0]);
      },
    );

    it.runIf(points.spoilable !== undefined)(
      'reports what it cannot decode as bad without a value, and the next good value again',
      slow,
      async () => {
        const point = points.spoilable as PointId;
        await peer.start();
        await driver.start();
        await until(() => expect(seen.latest(no(point))?.q).toBe('good'));
        const before = await peer.get(point);
        await peer.spoil?.(point);
        await until(() => expect(seen.latest(no(point))).toMatchObject({ v: null, q: 'bad' }));
        expect(seen.latest(no(point))?.why).toBeDefined();
        await peer.set(point, before);
        await until(() => expect(seen.latest(no(point))).toMatchObject({ v: before, q: 'good' }));
        expect(seen.history(slug())).toEqual(['up']);
      },
    );

    it('says nothing after stop and leaves no timer and no connection', slow, async () => {
      await peer.start();
      await peer.set(points.number, values[0]);
      await driver.start();
      await online();
      await driver.stop();
      const told = [seen.samples.length, seen.states.length];
      expect(seen.clock.pending).toBe(0);
      await until(() => expect(peer.connections()).toBe(0));
      await peer.set(points.number, values[1]);
      await peer.stop();
      expect([seen.samples.length, seen.states.length]).toEqual(told);
      expect(seen.clock.pending).toBe(0);
    });

    it('stops while it is still connecting, whether or not the device is there', slow, async () => {
      for (const there of [false, true]) {
        if (there) await peer.start();
        const another = module.create([peer.device], seen.deps(peer.deps));
        const starting = another.start();
        const stopping = another.stop();
        await Promise.allSettled([starting, stopping]);
        const told = [seen.samples.length, seen.states.length];
        expect(seen.clock.pending).toBe(0);
        await until(() => expect(peer.connections()).toBe(0));
        expect([seen.samples.length, seen.states.length]).toEqual(told);
      }
    });

    it('may be started twice, stopped twice and stopped before it was started', slow, async () => {
      const unstarted = module.create([peer.device], seen.deps(peer.deps));
      await unstarted.stop();
      await unstarted.stop();
      await peer.start();
      await driver.start();
      await driver.start();
      await online();
      expect(peer.connections()).toBeLessThanOrEqual(1);
      await Promise.all([driver.stop(), driver.stop()]);
      await driver.stop();
      expect(seen.clock.pending).toBe(0);
    });

    it('does not start once its start was cancelled', slow, async () => {
      await peer.start();
      const reason = new InvalidInputError('CANCELLED', 'cancelled by the test');
      await expect(driver.start({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      await driver.stop();
      expect(seen.states).toEqual([]);
      expect(seen.clock.pending).toBe(0);
      expect(peer.connections()).toBe(0);
    });
  });
}

function isBad(sample: Sample): boolean {
  return sample.q === 'bad';
}
