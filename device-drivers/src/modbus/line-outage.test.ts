import { describe, expect, it } from 'vitest';
import { device, lineOf, unmerged } from './line.fixture.ts';

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
    // What the search parted without need is read as one again.
    await clock.advance(3000);
    bus.takeRequests();
    await clock.advance(1000);
    expect(bus.takeRequests()).toEqual(['read 1 holding 0+3', 'read 1 holding 6+7']);
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
