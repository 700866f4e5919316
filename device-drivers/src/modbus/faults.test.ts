import { describe, expect, it } from 'vitest';
import { device, lineOf, unmerged } from './line.fixture.ts';

const HOUR_MS = 3_600_000;

describe('a device that was unplugged for six hours', () => {
  it('is bad meanwhile, told once down and once up, and read again within two scans', async () => {
    const { clock, bus, line, seen, history, latest, logger } = lineOf([device(1, [0, 50])]);
    bus.unit(1).registers[0] = 7;
    await line.start();
    await clock.advance(5000);
    seen.samples.length = 0;
    bus.isReachable = false;
    bus.hangUp();
    await clock.advance(6 * HOUR_MS);
    expect(seen.samples.map(({ point, q, why, v }) => [point, q, why, v])).toEqual([
      [100, 'bad', 'disconnected', null],
      [101, 'bad', 'disconnected', null],
    ]);
    bus.isReachable = true;
    bus.unit(1).registers[0] = 8;
    // The longest pause between two attempts to connect, and two scans.
    await clock.advance(5000 + 2000);
    expect(latest(1)).toMatchObject({ v: 8, q: 'good' });
    expect(latest(1, 1)?.q).toBe('good');
    expect(history(1)).toEqual(['up', 'down', 'up']);
    const told = logger.lines.filter(({ message }) => message.includes('u1'));
    expect(told.map(({ level }) => level)).toEqual(['info', 'warn', 'info']);
  });
});

describe('thirty units on one line that has time for no more', () => {
  /** Requests a minute of the units in `watched`, once things have settled. */
  async function rate(dead: readonly number[], hasTransactionIds: boolean) {
    const units = Array.from({ length: 30 }, (_, i) => device(i + 1, [0], { scans: { fast: '300ms' } }));
    const { clock, bus, line, history } = lineOf(units, hasTransactionIds);
    for (let unit = 1; unit <= 30; unit++) bus.unit(unit).latencyMs = 12;
    for (const unit of dead) bus.unit(unit).isSilent = true;
    await line.start();
    await clock.advance(60_000);
    bus.takeRequests();
    await clock.advance(10 * 60_000);
    const requests = bus.takeRequests();
    await line.stop();
    const perUnit = (unit: number) => requests.filter((what) => what.startsWith(`read ${unit} `)).length / 10;
    const live = units.map((_, i) => i + 1).filter((unit) => !dead.includes(unit));
    for (const unit of live) expect(history(unit)).toEqual(['up']);
    return { live: live.map(perUnit), dead: dead.map(perUnit) };
  }

  it.each([
    ['with transaction ids', true],
    ['without them', false],
  ])('%s: one that is dead takes less than a tenth of the others’ rate', async (_, hasTransactionIds) => {
    const before = await rate([], hasTransactionIds);
    const after = await rate([13], hasTransactionIds);
    const [slowest, was] = [Math.min(...after.live), Math.max(...before.live)];
    expect(slowest).toBeGreaterThanOrEqual(0.9 * was);
    expect(after.dead[0]).toBeGreaterThanOrEqual(1);
    expect(after.dead[0]).toBeLessThanOrEqual(3);
  });

  it('and five that are dead do not take more', async () => {
    const before = await rate([], true);
    const after = await rate([3, 8, 13, 21, 30], true);
    expect(Math.min(...after.live)).toBeGreaterThanOrEqual(0.9 * Math.max(...before.live));
    for (const probes of after.dead) expect(probes).toBeGreaterThanOrEqual(0.9);
  });
});

describe('writes while ten thousand points a second are polled', () => {
  it.each([
    ['one request at a time', 1],
    ['eight at once', 8],
  ])('are read back within 50 ms, %s', async (_, slots) => {
    // 80 requests of 125 registers and 10 ms each, in a second of 1 or 8 workers.
    const addresses = Array.from({ length: 10_000 }, (_each, at) => at);
    const merge = { maxRegisters: 125, maxGap: 0 };
    const { clock, bus, line, write, read } = lineOf([device(1, addresses, { merge })], true, {
      config: { isDepthAuto: false },
    });
    bus.slots = slots;
    bus.unit(1).latencyMs = 10;
    await line.start();
    await clock.advance(2000);
    const took: number[] = [];
    for (let value = 1; value <= 100; value++) {
      const beganMs = clock.monotonicMs();
      let found: unknown;
      const done = write(1, 'p7', value).then(async () => {
        found = await read(1, 'p7');
        took.push(clock.monotonicMs() - beganMs);
      });
      await clock.advance(97);
      await done;
      expect(found).toBe(value);
    }
    took.sort((a, b) => a - b);
    expect(took[98]).toBeLessThan(50);
    bus.takeRequests();
    await clock.advance(10_000);
    expect(bus.takeRequests().length).toBeGreaterThanOrEqual(790);
  });

  it('do not stop the polls, whatever their number', async () => {
    const { clock, bus, line, write } = lineOf([device(1, [0, 20, 40, 60], unmerged)]);
    bus.unit(1).latencyMs = 5;
    await line.start();
    await clock.advance(1000);
    bus.takeRequests();
    const writing = new Set<Promise<void>>();
    for (let ms = 0; ms < 10_000; ms += 5) {
      const one = write(1, 'p0', ms % 60_000);
      writing.add(one);
      void one.finally(() => writing.delete(one));
      await clock.advance(5);
    }
    await clock.advance(1000);
    await Promise.all(writing);
    const reads = bus.takeRequests().filter((what) => what.startsWith('read'));
    expect(reads.length).toBeGreaterThanOrEqual(36);
  });
});
