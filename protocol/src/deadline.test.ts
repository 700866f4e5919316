import { describe, expect, test } from 'vitest';
import { delay } from './clock.ts';
import { withDeadline } from './deadline.ts';
import { MemoryClock } from './testing/memory-clock.ts';

describe('work with a deadline', () => {
  test('ends with its own result when it is in time', async () => {
    const clock = new MemoryClock();
    const result = withDeadline({ clock, withinMs: 100, what: 'it' }, async (signal) => {
      await delay(clock, 50, { signal });
      return 7;
    });
    await clock.advance(50);
    expect(await result).toBe(7);
  });

  test('is told to stop when it is late', async () => {
    const clock = new MemoryClock();
    const late = withDeadline({ clock, withinMs: 100, what: 'the answer' }, (signal) =>
      delay(clock, 500, { signal }),
    );
    const seen = expect(late).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: 'the answer took longer than 100 ms',
    });
    await clock.advance(100);
    await seen;
  });

  test('is told to stop when its caller is', async () => {
    const clock = new MemoryClock();
    const caller = new AbortController();
    const work = withDeadline({ clock, withinMs: 100, what: 'it', signal: caller.signal }, (signal) =>
      delay(clock, 50, { signal }),
    );
    const seen = expect(work).rejects.toThrow('no longer wanted');
    caller.abort(new Error('no longer wanted'));
    await seen;
    const aborted = withDeadline(
      { clock, withinMs: 100, what: 'it', signal: caller.signal },
      async (signal) => signal.throwIfAborted(),
    );
    await expect(aborted).rejects.toThrow('no longer wanted');
  });
});
