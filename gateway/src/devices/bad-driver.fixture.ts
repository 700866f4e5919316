import type { Driver, DriverDeps, DriverModule } from '@millwright/device-drivers';
import { delay, SampleBatch } from '@millwright/protocol';

/** Every way in which a driver can go wrong. */
export const FAULTS = [
  'hangs in start',
  'throws in create',
  'throws in start',
  'rejects in start',
  'throws in a timer',
  'rejects in the background',
  'throws in a socket of its own',
  'floods',
  'leaks timers',
] as const;
export type Fault = (typeof FAULTS)[number];

/** Host drivers of which the one with the device `bad` has a fault; the others deliver a value every second. */
export function badModule(
  fault: () => Fault | undefined,
  log: (line: string) => void = () => undefined,
): DriverModule<'host'> {
  return {
    driver: 'host',
    lineOf: (spec) => spec.connect.disk,
    create: (devices, deps) => {
      const [first] = devices;
      const isBad = first?.spec.id === 'bad';
      const how = isBad ? fault() : undefined;
      log(`created ${first?.spec.id}`);
      if (how === 'throws in create') throw new TypeError('bad create');
      const [no = 0] = first?.numbers.values() ?? [];
      const deliver = () => {
        const batch = new SampleBatch(1);
        const nowMs = deps.clock.wallMs();
        batch.push(no as never, nowMs, nowMs, deps.clock.monotonicMs());
        deps.sink(batch);
        deps.clock.after(1000, deliver);
      };
      return driverOf(how, deps, deliver);
    },
  };
}

function driverOf(how: Fault | undefined, deps: DriverDeps, deliver: () => void): Driver {
  const misbehave = (): void | Promise<void> => {
    switch (how) {
      case 'hangs in start':
        return new Promise(() => undefined);
      case 'throws in start':
        throw new TypeError('bad start');
      case 'rejects in start':
        return Promise.reject(new TypeError('bad start'));
      case 'throws in a timer':
        deps.clock.after(100, () => {
          throw new TypeError('bad timer');
        });
        return;
      case 'rejects in the background':
        void delay(deps.clock, 100).then(() => Promise.reject(new TypeError('bad background')));
        return;
      case 'throws in a socket of its own':
        setTimeout(() => {
          throw new TypeError('bad socket');
        }, 100);
        return;
      case 'floods': {
        const batch = new SampleBatch(4096);
        for (let row = 0; row < 4096; row++) batch.pushNumber(0 as never, 0, 0, row);
        for (let turn = 0; turn < 1000; turn++) deps.sink(batch);
        return;
      }
      case 'leaks timers':
        for (let timer = 0; timer < 150_000; timer++) deps.clock.after(3_600_000, () => undefined);
        return;
      default:
        deliver();
    }
  };
  const never = new Promise<never>(() => undefined);
  return {
    start: async () => misbehave(),
    stop: async () => undefined,
    write: (_device, _point, value) => (value === 'hang' ? never : Promise.resolve()),
    read: () => never,
  };
}
