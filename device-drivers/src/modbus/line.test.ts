import { type DeviceSlug, type PointId, UnavailableError, type Value } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { Recorder } from '../testing/index.ts';
import { ModbusLine } from './line.ts';
import { MemoryBus } from './memory-bus.ts';
import { modbusDevice } from './test-peer.ts';

const never = new AbortController().signal;
const slug = (name: string) => name as DeviceSlug;
const id = (name: string) => name as PointId;

/** Unit `unit` as device `u<unit>` with the given points, or one register at each address. */
const device = (
  unit: number,
  addresses: readonly number[] | Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, unknown>> = {},
) =>
  modbusDevice(
    {
      id: `u${unit}`,
      connect: { tcp: '127.0.0.1:502', unit, timeout: '1s' },
      scans: { fast: '1s' },
      points: Array.isArray(addresses)
        ? Object.fromEntries(addresses.map((at) => [`p${at}`, { at, as: 'uint16', write: {} }]))
        : addresses,
      ...more,
    },
    unit * 100,
  );

/** Neighbours stay apart: one request per address. */
const unmerged = { merge: { maxGap: 0, maxRegisters: 1 } };

let stop: () => Promise<void> = async () => undefined;
afterEach(() => stop());

function lineOf(devices: ReturnType<typeof device>[], hasTransactionIds = true) {
  const clock = new MemoryClock();
  const bus = new MemoryBus({ clock });
  const seen = new Recorder();
  const logger = new MemoryLogger();
  const deps = { ...seen.deps(), clock, logger, bus, hasTransactionIds, random: () => 0.5 };
  const line = new ModbusLine(devices, deps);
  // Stopping waits for the request in flight, which waits for the clock.
  stop = () => line.stop();
  const latest = (unit: number, index = 0) =>
    seen.samples.findLast(({ point }) => point === unit * 100 + index);
  const write = (unit: number, point: string, value: Value, signal = never) =>
    line.write(slug(`u${unit}`), id(point), value, { signal });
  const read = (unit: number, point: string, signal = never) =>
    line.read(slug(`u${unit}`), id(point), { signal });
  return {
    clock,
    bus,
    seen,
    line,
    logger,
    latest,
    write,
    read,
    history: (unit: number) => seen.history(slug(`u${unit}`)),
  };
}

describe('polling', () => {
  it('reads every scan at its own period, on a grid', async () => {
    const { clock, bus, line } = lineOf([
      device(
        1,
        { a: { at: 0, as: 'uint16' }, b: { at: 50, as: 'uint16', scan: 'slow' } },
        {
          scans: { fast: '1s', slow: '3s' },
        },
      ),
    ]);
    await line.start();
    await clock.advance(6500);
    const times = (range: string) =>
      bus.requests.filter(({ what }) => what.endsWith(range)).map(({ atMs }) => Math.round(atMs / 100) * 100);
    expect(times(' 0+1')).toEqual([0, 1000, 2000, 3000, 4000, 5000, 6000]);
    expect(times(' 50+1')).toEqual([0, 3000, 6000]);
  });

  it('scans once a second when the type names no scan', async () => {
    const { clock, bus, line } = lineOf([device(1, [0], { scans: {} })]);
    await line.start();
    await clock.advance(3500);
    expect(bus.requests.length).toBe(4);
  });

  it('gives the units turns, so that a small one does not wait for a large one’s whole scan', async () => {
    const { clock, bus, line } = lineOf([device(1, [0, 1, 2, 3], unmerged), device(2, [0, 1], unmerged)]);
    await line.start();
    await clock.advance(50);
    expect(bus.takeRequests().map((what) => what.replace('holding ', ''))).toEqual([
      'read 1 0+1',
      'read 2 0+1',
      'read 1 1+1',
      'read 2 1+1',
      'read 1 2+1',
      'read 1 3+1',
    ]);
  });

  it('skips ticks when a scan takes longer than its period, and says so once', async () => {
    const { clock, bus, line, logger } = lineOf([
      device(1, [0, 1, 2, 3], { ...unmerged, scans: { fast: '10ms' } }),
    ]);
    bus.unit(1).latencyMs = 10;
    await line.start();
    await clock.advance(2000);
    // A request takes 10 ms: 200 fit, none is queued behind another.
    expect(bus.requests.length).toBeGreaterThan(190);
    expect(bus.requests.length).toBeLessThanOrEqual(201);
    expect(
      bus
        .takeRequests()
        .slice(0, 5)
        .map((what) => what.slice(-3)),
    ).toEqual(['0+1', '1+1', '2+1', '3+1', '0+1']);
    const late = () => logger.lines.filter(({ message }) => message.includes('longer than its period'));
    expect(late().length).toBe(1);
    bus.unit(1).latencyMs = 0;
    await clock.advance(2000);
    expect(logger.lines.filter(({ message }) => message.includes('keeps its period')).length).toBe(1);
    expect(late().length).toBe(1);
  });

  it('stamps samples with the time the answer came', async () => {
    const { clock, bus, line, latest } = lineOf([device(1, [0])]);
    bus.unit(1).latencyMs = 40;
    bus.unit(1).registers[0] = 77;
    const begin = clock.wallMs();
    await line.start();
    await clock.advance(100);
    expect(latest(1)).toMatchObject({ v: 77, q: 'good', tSource: begin + 40, tGateway: begin + 40 });
  });
});

describe('requests', () => {
  it('go before all polls that are due', async () => {
    const { clock, bus, line, write } = lineOf([device(1, [0, 1, 2, 3, 4, 5], unmerged)]);
    await line.start();
    await clock.advance(1002);
    bus.takeRequests();
    const writing = write(1, 'p5', 42);
    await clock.advance(2);
    await writing;
    expect(bus.takeRequests()[0]).toBe('write 1 5');
    expect(bus.unit(1).registers[5]).toBe(42);
  });

  it('are made in the order asked and do not starve the polls', async () => {
    const { clock, bus, line, write } = lineOf([device(1, [0, 1], unmerged)]);
    await line.start();
    await clock.advance(500);
    bus.takeRequests();
    const all = Promise.all(Array.from({ length: 40 }, (_, i) => write(1, 'p0', i)));
    await clock.advance(499);
    await all;
    expect(bus.unit(1).registers[0]).toBe(39);
    bus.takeRequests();
    const more = Promise.all(Array.from({ length: 40 }, (_, i) => write(1, 'p0', i)));
    await clock.advance(45);
    await more;
    expect(bus.takeRequests().filter((what) => what.startsWith('read')).length).toBe(2);
  });

  it('survive the timeout of one among them: none is lost and the order stays', async () => {
    const { clock, bus, line, write, read } = lineOf([device(1, [0], unmerged), device(2, [0], unmerged)]);
    await line.start();
    await clock.advance(500);
    bus.takeRequests();
    bus.unit(1).isSilent = true;
    const lost = read(1, 'p0').catch((error: unknown) => error);
    const kept = [write(2, 'p0', 1), write(2, 'p0', 2), write(2, 'p0', 3)];
    await clock.advance(500);
    bus.unit(1).isSilent = false;
    await clock.advance(1000);
    await Promise.all(kept);
    expect(await lost).toMatchObject({ code: 'DEVICE_OFFLINE', retry: 'backoff' });
    expect(bus.takeRequests().slice(0, 4)).toEqual([
      'read 1 holding 0+1',
      'write 2 0',
      'write 2 0',
      'write 2 0',
    ]);
    expect(bus.unit(2).registers[0]).toBe(3);
  });

  it('say what became of a write that the device refused, or that nobody confirmed', async () => {
    const { clock, bus, line, write } = lineOf([device(1, [0, 1], unmerged)]);
    await line.start();
    await clock.advance(500);
    const outcome = async (exception: number | undefined, isSilent = false) => {
      Object.assign(bus.unit(1), { exception, isSilent });
      const caught = write(1, 'p0', 5).catch((error: unknown) => error);
      await clock.advance(1000);
      Object.assign(bus.unit(1), { exception: undefined, isSilent: false });
      await clock.advance(2000);
      return caught;
    };
    expect(await outcome(2)).toMatchObject({ code: 'DEVICE_REFUSED', retry: 'never' });
    expect(await outcome(3)).toMatchObject({ code: 'DEVICE_REFUSED' });
    expect(await outcome(6)).toMatchObject({ code: 'DEVICE_BUSY', retry: 'backoff' });
    expect(await outcome(11)).toMatchObject({ code: 'DEVICE_OFFLINE' });
    expect(await outcome(undefined, true)).toMatchObject({ code: 'WRITE_UNCONFIRMED', retry: 'never' });
  });

  it('refuse to write where one can only read', async () => {
    const { clock, line, write } = lineOf([device(1, { x: { at: 0, as: 'uint16', table: 'input' } })]);
    await line.start();
    await clock.advance(10);
    await expect(write(1, 'x', 1)).rejects.toMatchObject({ code: 'POINT_READ_ONLY' });
  });

  it('are bounded in number', async () => {
    const { clock, bus, line, write } = lineOf([device(1, [0])]);
    await line.start();
    await clock.advance(500);
    bus.unit(1).latencyMs = 900;
    const errors: unknown[] = [];
    for (let i = 0; i < 1010; i++) void write(1, 'p0', 1).catch((error: unknown) => errors.push(error));
    await clock.advance(10);
    expect(errors.length).toBeGreaterThanOrEqual(9);
    expect(errors[0]).toMatchObject({ code: 'LINE_BUSY', retry: 'backoff' });
  });

  it('are dropped when cancelled before they are sent', async () => {
    const { clock, bus, line, write } = lineOf([device(1, [0])]);
    await line.start();
    await clock.advance(500);
    bus.unit(1).latencyMs = 100;
    const cancel = new AbortController();
    const first = write(1, 'p0', 1);
    const second = write(1, 'p0', 2, cancel.signal);
    const reason = new UnavailableError('CANCELLED', 'cancelled by the test');
    cancel.abort(reason);
    await expect(second).rejects.toBe(reason);
    await clock.advance(1000);
    await first;
    expect(bus.unit(1).registers[0]).toBe(1);
  });

  it('end with the line', async () => {
    const { clock, bus, line, write, read } = lineOf([device(1, [0])]);
    await line.start();
    await clock.advance(500);
    bus.unit(1).isSilent = true;
    const sent = write(1, 'p0', 1).catch((error: unknown) => error);
    await clock.advance(0);
    const queued = read(1, 'p0').catch((error: unknown) => error);
    await line.stop();
    expect(await sent).toMatchObject({ code: 'WRITE_UNCONFIRMED' });
    expect(await queued).toMatchObject({ code: 'DEVICE_OFFLINE' });
  });

  it('read a value past the cache, and say when it is none', async () => {
    const { clock, bus, line, read } = lineOf([device(1, { x: { at: 0, as: 'float32' } })]);
    await line.start();
    await clock.advance(500);
    bus.unit(1).registers.set([0x4148, 0]);
    const good = read(1, 'x');
    await clock.advance(5);
    expect(await good).toBe(12.5);
    bus.unit(1).registers.set([0x7fc0, 0]);
    const bad = read(1, 'x').catch((error: unknown) => error);
    await clock.advance(5);
    expect(await bad).toMatchObject({ code: 'VALUE_BAD' });
  });
});

describe('a unit that stops answering', () => {
  it('is forgiven one timeout and called unreachable after three, with the reason on each point', async () => {
    const { clock, bus, line, seen, history } = lineOf([device(1, [0, 1, 2], unmerged)]);
    await line.start();
    await clock.advance(500);
    bus.unit(1).ignored.add(1);
    await clock.advance(2000);
    bus.unit(1).ignored.clear();
    await clock.advance(1000);
    expect(history(1)).toEqual(['up']);
    bus.unit(1).isSilent = true;
    await clock.advance(5000);
    expect(history(1)).toEqual(['up', 'down']);
    const bad = seen.samples.filter(({ q }) => q === 'bad');
    expect(bad.map(({ point, why, v }) => [point, why, v])).toEqual([
      [100, 'timeout', null],
      [101, 'timeout', null],
      [102, 'timeout', null],
    ]);
    expect(seen.states.at(-1)?.state).toEqual({ online: false, why: 'unit 1: no answer within 1000 ms' });
  });

  it('is polled again within two scans of its return', async () => {
    const { clock, bus, line, history, latest } = lineOf([device(1, [0, 1], unmerged)]);
    await line.start();
    await clock.advance(500);
    bus.unit(1).isSilent = true;
    await clock.advance(3 * 3600_000);
    expect(history(1)).toEqual(['up', 'down']);
    expect(latest(1, 1)?.q).toBe('bad');
    bus.unit(1).isSilent = false;
    // The longest pause between probes of a lone unit, jitter included.
    await clock.advance(6000);
    expect(history(1)).toEqual(['up', 'down', 'up']);
    bus.takeRequests();
    await clock.advance(2000);
    expect(bus.takeRequests().length).toBeGreaterThanOrEqual(4);
    expect(latest(1, 1)?.q).toBe('good');
  });

  it('costs the other 29 units at most a tenth of their rate', async () => {
    const units = Array.from({ length: 30 }, (_, i) => device(i + 1, [0], { scans: { fast: '500ms' } }));
    const { clock, bus, line, history } = lineOf(units);
    for (let unit = 1; unit <= 30; unit++) bus.unit(unit).latencyMs = 10;
    await line.start();
    await clock.advance(1000);
    const rate = async () => {
      await clock.advance(5000);
      bus.takeRequests();
      await clock.advance(60_000);
      return bus.takeRequests().filter((what) => !what.startsWith('read 13 ')).length;
    };
    const before = await rate();
    bus.unit(13).isSilent = true;
    await clock.advance(30_000);
    expect(history(13)).toEqual(['up', 'down']);
    const after = await rate();
    expect(after).toBeGreaterThanOrEqual(0.9 * before);
    expect(history(1)).toEqual(['up']);
  });

  it('behind a gateway that says so is unreachable too', async () => {
    const { clock, bus, line, history, seen } = lineOf([device(1, [0]), device(2, [0])]);
    bus.unit(2).exception = 11;
    await line.start();
    await clock.advance(3000);
    expect(history(1)).toEqual(['up']);
    expect(history(2)).toEqual(['down']);
    expect(seen.samples.find(({ point }) => point === 200)?.why).toBe('timeout');
  });

  it('whose answers are garbage is unreachable, and no value comes of it', async () => {
    const { clock, bus, line, seen, history } = lineOf([device(1, [0])]);
    bus.unit(1).isGarbled = true;
    await line.start();
    await clock.advance(3000);
    expect(history(1)).toEqual(['down']);
    expect(seen.samples.map(({ q, why }) => [q, why])).toEqual([['bad', 'device-error']]);
  });

  it('on a line without transaction ids is left alone until a late answer has passed', async () => {
    const { clock, bus, line } = lineOf([device(1, [0, 1], unmerged), device(2, [0], unmerged)], false);
    await line.start();
    await clock.advance(500);
    bus.takeRequests();
    bus.requests.length = 0;
    bus.unit(1).isSilent = true;
    await clock.advance(1600);
    bus.unit(1).isSilent = false;
    await clock.advance(5000);
    const ofUnit1 = bus.requests.filter(({ what }) => what.startsWith('read 1 ')).map(({ atMs }) => atMs);
    expect((ofUnit1[1] ?? 0) - (ofUnit1[0] ?? 0)).toBeGreaterThanOrEqual(2000);
  });
});

describe('a connection', () => {
  it('that is lost is opened again at once, and nobody is told when that works', async () => {
    const { clock, bus, line, history } = lineOf([device(1, [0])]);
    await line.start();
    await clock.advance(500);
    bus.hangUp();
    await clock.advance(1000);
    expect(bus.openings).toBe(2);
    expect(history(1)).toEqual(['up']);
  });

  it('that cannot be opened is tried for ever, at a bounded and growing distance', async () => {
    const { clock, bus, line, seen, history } = lineOf([device(1, [0]), device(2, [0])]);
    bus.isReachable = false;
    await line.start();
    await clock.advance(60_000);
    expect(history(1)).toEqual(['down']);
    expect(history(2)).toEqual(['down']);
    expect(seen.samples.map(({ point, why }) => [point, why])).toEqual([
      [100, 'disconnected'],
      [200, 'disconnected'],
    ]);
    const soFar = bus.openings;
    expect(soFar).toBeGreaterThan(10);
    await clock.advance(60_000);
    expect(bus.openings - soFar).toBeGreaterThanOrEqual(12);
    expect(bus.openings - soFar).toBeLessThanOrEqual(24);
    bus.isReachable = true;
    await clock.advance(5100);
    expect(history(1)).toEqual(['down', 'up']);
    expect(history(2)).toEqual(['down', 'up']);
  });

  it('that is accepted and closed each time is an outage, not a storm', async () => {
    const { clock, bus, line, history } = lineOf([device(1, [0])]);
    await line.start();
    await clock.advance(500);
    const open = bus.open.bind(bus);
    bus.open = async (options) => {
      await open(options);
      bus.hangUp();
    };
    bus.hangUp();
    await clock.advance(60_000);
    expect(history(1)).toEqual(['up', 'down']);
    expect(bus.openings).toBeLessThan(40);
  });

  it('on which nobody answers any more is opened anew', async () => {
    const { clock, bus, line } = lineOf([device(1, [0])]);
    await line.start();
    await clock.advance(500);
    bus.unit(1).isSilent = true;
    await clock.advance(60_000);
    expect(bus.openings).toBeGreaterThan(1);
  });

  it('is not reopened after stop', async () => {
    const { clock, bus, line, seen } = lineOf([device(1, [0])]);
    bus.isReachable = false;
    await line.start();
    await clock.advance(10_000);
    await line.stop();
    const told = [bus.openings, seen.samples.length, seen.states.length];
    await clock.advance(60_000);
    expect([bus.openings, seen.samples.length, seen.states.length]).toEqual(told);
  });

  it('serves again after stop and start', async () => {
    const { clock, line, history } = lineOf([device(1, [0])]);
    await line.start();
    await clock.advance(500);
    await line.stop();
    await line.start();
    await clock.advance(500);
    expect(history(1)).toEqual(['up', 'up']);
  });
});

describe('a range the device refuses', () => {
  const addresses = [0, 1, 2, 6, 7, 12];

  it('is read in parts that leave out the illegal gap, from the first scan on', async () => {
    const { clock, bus, line, seen } = lineOf([device(1, addresses)]);
    for (const gap of [3, 4, 5]) bus.unit(1).illegal.add(gap);
    addresses.forEach((at) => {
      bus.unit(1).registers[at] = 1000 + at;
    });
    await line.start();
    await clock.advance(500);
    expect(seen.samples.map(({ v, q }) => [v, q])).toEqual(addresses.map((at) => [1000 + at, 'good']));
    bus.takeRequests();
    await clock.advance(1000);
    const learned = bus.takeRequests();
    expect(learned.length).toBeLessThanOrEqual(3);
    expect(learned).toContain('read 1 holding 0+3');
  });

  it('down to a single point is reported bad once and rarely asked for again', async () => {
    const { clock, bus, line, seen, history } = lineOf([device(1, addresses)]);
    bus.unit(1).illegal.add(7);
    await line.start();
    await clock.advance(30_000);
    const bad = seen.samples.filter(({ q }) => q === 'bad');
    expect(bad.map(({ point, why }) => [point, why])).toEqual([[104, 'illegal-address']]);
    expect(history(1)).toEqual(['up']);
    bus.takeRequests();
    await clock.advance(120_000);
    expect(bus.takeRequests().filter((what) => what.endsWith(' 7+1')).length).toBe(2);
    bus.unit(1).illegal.clear();
    await clock.advance(61_000);
    expect(seen.samples.findLast(({ point }) => point === 104)?.q).toBe('good');
  });

  it('by silence is read in parts too, while the rest of the device answers', async () => {
    const { clock, bus, line, seen, history } = lineOf([
      device(1, [...addresses, 200], { connect: { tcp: 'x:1', unit: 1, timeout: '100ms' } }),
    ]);
    await line.start();
    await clock.advance(500);
    bus.unit(1).ignored.add(4);
    await clock.advance(30_000);
    expect(history(1)).toEqual(['up']);
    for (const no of [0, 1, 2, 3, 4, 5, 6]) {
      expect(seen.samples.findLast(({ point }) => point === 100 + no)?.q).toBe('good');
    }
  });

  it('by silence, when it is all the device has, is found out after one outage', async () => {
    const { clock, bus, line, seen, history } = lineOf([
      device(1, addresses, { connect: { tcp: 'x:1', unit: 1, timeout: '100ms' } }),
    ]);
    bus.unit(1).ignored.add(4);
    await line.start();
    await clock.advance(120_000);
    expect(history(1).length).toBeLessThanOrEqual(4);
    expect(history(1).at(-1)).toBe('up');
    for (const no of [0, 1, 2, 3, 4, 5]) {
      expect(seen.samples.findLast(({ point }) => point === 100 + no)?.q).toBe('good');
    }
  });

  it('keeps its merged form when the whole device was merely away', async () => {
    const { clock, bus, line } = lineOf([device(1, addresses)]);
    await line.start();
    await clock.advance(500);
    bus.unit(1).isSilent = true;
    await clock.advance(3600_000);
    bus.unit(1).isSilent = false;
    await clock.advance(10_000);
    bus.takeRequests();
    await clock.advance(1000);
    expect(bus.takeRequests()).toEqual(['read 1 holding 0+13']);
  });

  it('for a passing reason is reported once and asked for again at the next scan', async () => {
    const { clock, bus, line, seen } = lineOf([device(1, [0])]);
    await line.start();
    await clock.advance(500);
    bus.unit(1).exception = 4;
    await clock.advance(3000);
    bus.unit(1).exception = undefined;
    await clock.advance(1000);
    expect(seen.samples.map(({ q, why }) => why ?? q)).toEqual(['good', 'device-error', 'good']);
  });
});
