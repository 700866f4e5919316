import { describe, expect, it } from 'vitest';
import { device, lineOf, unmerged } from './line.fixture.ts';

/** Ten requests of 30 ms each do not fit into 100 ms one after the other. */
const crowded = () => [
  device(
    1,
    Array.from({ length: 10 }, (_, i) => 10 * i),
    { ...unmerged, scans: { fast: '100ms' } },
  ),
];

function crowdedLine(isDepthAuto = true) {
  const line = lineOf(crowded(), true, { config: { isDepthAuto } });
  line.bus.slots = 8;
  line.bus.unit(1).latencyMs = 30;
  return line;
}

describe('several requests at once', () => {
  it('are not tried while scans fit into their period', async () => {
    const { clock, bus, line } = lineOf([device(1, [0, 50], { scans: { fast: '100ms' } })]);
    bus.slots = 8;
    await line.start();
    await clock.advance(60_000);
    expect(bus.mostAtOnce).toBe(1);
  });

  it('are tried when scans come late, until they fit, each point’s value its own', async () => {
    const { clock, bus, line, seen, logger } = crowdedLine();
    for (let at = 0; at < 100; at++) bus.unit(1).registers[at] = 1000 + at;
    await line.start();
    await clock.advance(20_000);
    bus.takeRequests();
    await clock.advance(10_000);
    expect(bus.takeRequests().length).toBe(1000);
    expect(bus.mostAtOnce).toBeGreaterThan(1);
    for (const { point, v, q } of seen.samples)
      expect([v, q]).toEqual([1000 + 10 * (Number(point) - 100), 'good']);
    expect(logger.lines.some(({ message }) => message.includes('keeps its period'))).toBe(true);
  });

  it('are given up when the peer does not answer them, and nobody hears of it', async () => {
    const { clock, bus, line, seen, history, logger } = crowdedLine();
    bus.bears = 1;
    await line.start();
    await clock.advance(60_000);
    expect(bus.mostAtOnce).toBe(2);
    expect(history(1)).toEqual(['up']);
    expect(seen.samples.every(({ q }) => q === 'good')).toBe(true);
    expect(logger.lines.filter(({ message }) => message.includes('does not bear')).length).toBe(1);
    bus.takeRequests();
    bus.mostAtOnce = 0;
    await clock.advance(300_000);
    expect(bus.mostAtOnce).toBe(1);
    // 30 ms each, one after the other.
    expect(bus.takeRequests().length).toBeGreaterThan(9900);
  });

  it('are as many as the device file says', async () => {
    const { clock, bus, line } = crowdedLine(false);
    await line.start();
    await clock.advance(1000);
    expect(bus.mostAtOnce).toBe(8);
  });

  it('do not make a device that went away count as three misses at once', async () => {
    const { clock, bus, line, history } = crowdedLine(false);
    await line.start();
    await clock.advance(1000);
    bus.unit(1).isSilent = true;
    await clock.advance(1500);
    expect(history(1)).toEqual(['up']);
    await clock.advance(3000);
    expect(history(1)).toEqual(['up', 'down']);
    bus.unit(1).isSilent = false;
    await clock.advance(7000);
    expect(history(1)).toEqual(['up', 'down', 'up']);
  });

  it('ask a device that is away one thing at a time', async () => {
    const { clock, bus, line } = crowdedLine(false);
    bus.unit(1).isSilent = true;
    await line.start();
    await clock.advance(60_000);
    expect(bus.mostAtOnce).toBe(1);
  });

  it('leave a write alone on its unit: what is read after it was asked for after it', async () => {
    const { clock, bus, line, write } = crowdedLine(false);
    await line.start();
    await clock.advance(1005);
    for (let value = 1; value <= 20; value++) {
      const writing = write(1, 'p90', value);
      await clock.advance(70);
      await writing;
      expect(bus.unit(1).registers[90]).toBe(value);
    }
    const others = bus.requests.filter(({ what }) => what.startsWith('write'));
    for (const { atMs } of others) {
      const beside = bus.requests.filter(
        ({ what, atMs: other }) => what.startsWith('read') && Math.abs(other - atMs) < 30,
      );
      expect(beside).toEqual([]);
    }
    await clock.advance(1000);
    expect(bus.requests.at(-1)?.what).toMatch(/^read/);
  });

  it('end as one when the connection is lost, and all are made again', async () => {
    const { clock, bus, line, history, seen } = crowdedLine(false);
    await line.start();
    await clock.advance(1010);
    bus.hangUp();
    await clock.advance(2000);
    expect(bus.openings).toBe(2);
    expect(history(1)).toEqual(['up']);
    const before = seen.samples.length;
    await clock.advance(1000);
    expect(seen.samples.length - before).toBeGreaterThanOrEqual(90);
  });

  it('stop with the line', async () => {
    const { clock, bus, line, seen } = crowdedLine(false);
    await line.start();
    await clock.advance(1010);
    await line.stop();
    const told = seen.samples.length;
    bus.takeRequests();
    await clock.advance(60_000);
    expect([bus.takeRequests().length, seen.samples.length - told]).toEqual([0, 0]);
    await line.start();
    await clock.advance(1000);
    expect(seen.samples.length).toBeGreaterThan(told);
  });
});
