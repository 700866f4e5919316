import { describe, expect, it } from 'vitest';
import type { Clock } from '../clock.ts';

/** What a test needs of a clock: the clock, and a way to let time go by on it. */
export interface ClockUnderTest {
  readonly clock: Clock;
  /** Resolves when at least `ms` have passed on the clock and every timer due by then has run. */
  pass(ms: number): Promise<void>;
}

/** The rules of the `Clock` port, for the machine's clock and its twin alike. */
export function describeClock(name: string, create: () => ClockUnderTest): void {
  describe(`the clock rules, kept by ${name}`, () => {
    it('wall time is whole milliseconds of this age', () => {
      const { clock } = create();
      expect(Number.isInteger(clock.wallMs())).toBe(true);
      expect(clock.wallMs()).toBeGreaterThan(Date.UTC(2025, 0, 1));
    });

    it('monotonic time goes on and never back', async () => {
      const { clock, pass } = create();
      const before = clock.monotonicMs();
      await pass(5);
      expect(clock.monotonicMs() - before).toBeGreaterThanOrEqual(5);
    });

    it('a timer runs once, not before its time and not within the call', async () => {
      const { clock, pass } = create();
      const start = clock.monotonicMs();
      const ranAt: number[] = [];
      clock.after(5, () => ranAt.push(clock.monotonicMs()));
      clock.after(0, () => ranAt.push(0));
      expect(ranAt).toEqual([]);
      await pass(15);
      expect(ranAt).toHaveLength(2);
      expect(ranAt[0]).toBe(0);
      // A timer of the machine may fire up to one tick of its own resolution early.
      expect((ranAt[1] ?? 0) - start).toBeGreaterThanOrEqual(4);
    });

    it('timers of one time run in the order they were set', async () => {
      const { clock, pass } = create();
      const order: string[] = [];
      clock.after(3, () => order.push('a'));
      clock.after(3, () => order.push('b'));
      await pass(10);
      expect(order).toEqual(['a', 'b']);
    });

    it('a cancelled timer never runs, however often it is cancelled', async () => {
      const { clock, pass } = create();
      let runs = 0;
      const cancel = clock.after(1, () => runs++);
      cancel();
      cancel();
      await pass(5);
      expect(runs).toBe(0);
    });

    it('cancelling what has run is harmless', async () => {
      const { clock, pass } = create();
      let runs = 0;
      const cancel = clock.after(0, () => runs++);
      await pass(2);
      cancel();
      expect(runs).toBe(1);
    });

    it('a negative delay is none', async () => {
      const { clock, pass } = create();
      let runs = 0;
      clock.after(-5, () => runs++);
      await pass(2);
      expect(runs).toBe(1);
    });

    it('a month is a month, not the overflow of a 32-bit timer', async () => {
      const { clock, pass } = create();
      let runs = 0;
      const cancel = clock.after(31 * 24 * 3_600_000, () => runs++);
      await pass(10);
      cancel();
      expect(runs).toBe(0);
    });
  });
}
