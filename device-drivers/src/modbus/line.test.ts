import { UnavailableError } from '@millwright/protocol';
import { describe, expect, it } from 'vitest';
import { device, lineOf, unmerged } from './line.fixture.ts';

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
