import { describe, expect, it } from 'vitest';
import { device, lineOf, unmerged } from './line.fixture.ts';

describe('a device that answers with exception', () => {
  it.each([5, 6])('%i is asked again soon, left alone in between, and keeps its values', async (code) => {
    const { clock, bus, line, seen, history } = lineOf([device(1, [0]), device(2, [0])]);
    await line.start();
    await clock.advance(500);
    bus.takeRequests();
    bus.unit(1).exception = code;
    await clock.advance(900);
    bus.unit(1).exception = undefined;
    await clock.advance(500);
    expect(seen.samples.map(({ q }) => q).filter((q) => q !== 'good')).toEqual([]);
    const [ofBusy, ofOther] = ['read 1 ', 'read 2 '].map(
      (start) => bus.requests.filter(({ what }) => what.startsWith(start)).length,
    );
    expect(ofBusy).toBeGreaterThanOrEqual(3);
    expect(ofBusy).toBeLessThanOrEqual(6);
    expect(ofOther).toBe(1);
    expect(history(1)).toEqual(['up']);
  });

  it('6 for long is reported bad once, and is asked ever more rarely', async () => {
    const { clock, bus, line, seen } = lineOf([device(1, [0])]);
    await line.start();
    await clock.advance(500);
    bus.unit(1).exception = 6;
    await clock.advance(20_000);
    expect(seen.samples.map(({ q, why }) => why ?? q)).toEqual(['good', 'device-error']);
    bus.takeRequests();
    await clock.advance(10_000);
    expect(bus.takeRequests().length).toBeLessThanOrEqual(10);
    bus.unit(1).exception = undefined;
    await clock.advance(3000);
    expect(seen.samples.at(-1)?.q).toBe('good');
  });

  it('1 is reported bad once and not asked again at the full rate', async () => {
    const { clock, bus, line, seen } = lineOf([device(1, [0])]);
    bus.unit(1).exception = 1;
    await line.start();
    await clock.advance(50_000);
    expect(seen.samples.map(({ why }) => why)).toEqual(['device-error']);
    expect(bus.takeRequests().length).toBe(1);
  });

  it('6 to a write is asked again by itself: it had not begun', async () => {
    const { clock, bus, line, write } = lineOf([device(1, [0])]);
    await line.start();
    await clock.advance(500);
    bus.unit(1).exception = 6;
    const writing = write(1, 'p0', 7);
    await clock.advance(150);
    bus.unit(1).exception = undefined;
    await clock.advance(1000);
    await writing;
    expect(bus.unit(1).registers[0]).toBe(7);
  });

  it('5 to a write has begun it: that is not repeated but said', async () => {
    const { clock, bus, line, write } = lineOf([device(1, [0])]);
    await line.start();
    await clock.advance(500);
    bus.takeRequests();
    bus.unit(1).exception = 5;
    const caught = write(1, 'p0', 7).catch((error: unknown) => error);
    await clock.advance(100);
    expect(await caught).toMatchObject({ code: 'WRITE_UNCONFIRMED', retry: 'never' });
    expect(bus.takeRequests()).toEqual(['write 1 0']);
  });

  it.each([10, 11])(
    '%i from a gateway is unreachable, and costs the units beside it nothing',
    async (code) => {
      const { clock, bus, line, history } = lineOf([device(1, [0]), device(2, [0])]);
      bus.unit(2).exception = code;
      await line.start();
      await clock.advance(60_000);
      expect([history(1), history(2)]).toEqual([['up'], ['down']]);
      const ofOther = bus.requests.filter(({ what }) => what.startsWith('read 1 ')).length;
      expect(ofOther).toBe(61);
      expect(bus.openings).toBe(1);
    },
  );
});

describe('a scan', () => {
  it('begins after its phase and then stands on the grid', async () => {
    const points = { a: { at: 0, as: 'uint16' }, b: { at: 50, as: 'uint16', scan: 'later' } };
    const scans = { fast: '1s', later: { every: '1s', phase: '300ms' } };
    const { clock, bus, line } = lineOf([device(1, points, { scans })]);
    await line.start();
    await clock.advance(2900);
    const times = (range: string) =>
      bus.requests.filter(({ what }) => what.endsWith(range)).map(({ atMs }) => atMs % 100_000);
    const [first = 0] = times(' 0+1');
    expect(times(' 50+1').map((atMs) => atMs - first)).toEqual([300, 1300, 2300]);
  });

  it('with jitter begins late by part of its period, and the grid does not drift', async () => {
    const scans = { fast: { every: '1s', jitter: '20%' } };
    const { clock, bus, line } = lineOf([device(1, [0], { scans, ...unmerged })]);
    await line.start();
    await clock.advance(10_500);
    const [first = 0, ...others] = bus.requests.map(({ atMs }) => atMs);
    // The fixture's dice always say one half.
    expect(others.map((atMs) => atMs - first)).toEqual(
      Array.from({ length: 10 }, (_, i) => 1000 * (i + 1) + 100),
    );
  });

  it('that comes late counts the ticks it skipped', async () => {
    const { clock, bus, line, logger } = lineOf([device(1, [0], { scans: { fast: '100ms' } })]);
    bus.unit(1).latencyMs = 250;
    await line.start();
    await clock.advance(5000);
    const [late] = logger.lines.filter(({ message }) => message.includes('longer than its period'));
    expect(late?.fields).toMatchObject({ device: 'u1', scan: 'fast', periodMs: 100 });
    expect(Number(late?.fields.skippedTicks)).toBeGreaterThanOrEqual(3);
  });
});
