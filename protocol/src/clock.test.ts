import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Clock, delay, every } from './clock.ts';
import { systemClock } from './node/system-clock.ts';
import { describeClock } from './testing/describe-clock.ts';
import { MemoryClock } from './testing/memory-clock.ts';

describeClock('the machine', () => ({
  clock: systemClock,
  pass: async (ms) => {
    const end = performance.now() + ms;
    while (performance.now() < end) await sleep(1);
    await new Promise((resolve) => setImmediate(resolve));
  },
}));

describeClock('the memory clock', () => {
  const clock = new MemoryClock();
  return { clock, pass: (ms) => clock.advance(ms) };
});

describe('the memory clock', () => {
  it('stands still until it is moved', async () => {
    const clock = new MemoryClock(Date.UTC(2026, 0, 1));
    await sleep(2);
    expect([clock.wallMs(), clock.monotonicMs()]).toEqual([Date.UTC(2026, 0, 1), 0]);
  });

  it('runs timers in the order of their time, each at its time', async () => {
    const clock = new MemoryClock(0);
    const ran: [string, number, number][] = [];
    const note = (name: string) => () => ran.push([name, clock.monotonicMs(), clock.wallMs()]);
    clock.after(20, note('late'));
    clock.after(10, () => {
      note('early')();
      clock.after(5, note('set by early'));
    });
    clock.after(31, note('not yet'));
    await clock.advance(30);
    expect(ran).toEqual([
      ['early', 10, 10],
      ['set by early', 15, 15],
      ['late', 20, 20],
    ]);
    expect(clock.monotonicMs()).toBe(30);
  });

  it('moves wall time alone when somebody sets it', async () => {
    const clock = new MemoryClock(1000);
    clock.jumpWall(-86_400_000);
    await clock.advance(5);
    expect([clock.wallMs(), clock.monotonicMs()]).toEqual([1005 - 86_400_000, 5]);
  });
});

describe('a delay', () => {
  it('ends after its time on the clock', async () => {
    const clock = new MemoryClock();
    let ended = false;
    const waiting = delay(clock, 100).then(() => {
      ended = true;
    });
    await clock.advance(99);
    expect(ended).toBe(false);
    await clock.advance(1);
    await waiting;
  });

  it('ends early with the reason of its signal, and leaves no timer', async () => {
    const clock = new MemoryClock();
    const abort = new AbortController();
    const waiting = delay(clock, 100, { signal: abort.signal });
    const reason = new Error('stopped');
    abort.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(clock.pendingTimers).toBe(0);
  });

  it('does not begin when its signal is aborted already', async () => {
    const clock = new MemoryClock();
    await expect(delay(clock, 1, { signal: AbortSignal.abort('no') })).rejects.toBe('no');
    expect(clock.pendingTimers).toBe(0);
  });

  it('lets go of its signal when it has ended', async () => {
    const clock = new MemoryClock();
    const abort = new AbortController();
    const waiting = delay(clock, 10, { signal: abort.signal });
    await clock.advance(10);
    await waiting;
    abort.abort(new Error('too late'));
    await expect(waiting).resolves.toBeUndefined();
  });
});

describe('every', () => {
  it('repeats without drift until it is stopped', async () => {
    const clock = new MemoryClock();
    const ticks: number[] = [];
    const stop = every(clock, 10, () => ticks.push(clock.monotonicMs()));
    await clock.advance(35);
    stop();
    stop();
    await clock.advance(100);
    expect(ticks).toEqual([10, 20, 30]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('may be stopped by what it runs', async () => {
    const clock = new MemoryClock();
    let ticks = 0;
    const stop = every(clock, 10, () => {
      ticks++;
      stop();
    });
    await clock.advance(100);
    expect([ticks, clock.pendingTimers]).toEqual([1, 0]);
  });

  it('goes on after what it runs has thrown', async () => {
    const clock = new MemoryClock();
    let ticks = 0;
    every(clock, 10, () => {
      if (++ticks === 1) throw new Error('once');
    });
    await expect(clock.advance(10)).rejects.toThrow('once');
    await clock.advance(10);
    expect(ticks).toBe(2);
  });

  it('keeps its beat and does not make up for ticks a busy process missed', async () => {
    const memory = new MemoryClock();
    let lateMs = 0;
    const busy: Clock = {
      wallMs: () => memory.wallMs(),
      monotonicMs: () => memory.monotonicMs() + lateMs,
      after: (delayMs, run) => memory.after(delayMs, run),
    };
    const ticks: number[] = [];
    every(busy, 10, () => ticks.push(busy.monotonicMs()));
    await memory.advance(9);
    lateMs = 26;
    await memory.advance(20);
    expect(ticks).toEqual([36, 40, 50]);
  });

  it('is not disturbed by a wall clock that is set', async () => {
    const clock = new MemoryClock();
    let ticks = 0;
    every(clock, 10, () => ticks++);
    clock.jumpWall(-86_400_000);
    await clock.advance(30);
    expect(ticks).toBe(3);
  });
});
