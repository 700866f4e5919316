import { describe, expect, it } from 'vitest';
import { untilTold } from './until-told.ts';

const listeners = () => ['SIGTERM', 'SIGHUP', 'disconnect'].map((ending) => process.listenerCount(ending));

describe('work that lasts until the process is told to end', () => {
  it('ends with the signal, and leaves no listener behind', async () => {
    const before = listeners();
    await untilTold(async (told) => {
      expect(told.signal.aborted).toBe(false);
      process.emit('SIGTERM');
      await told.promise;
      expect(told.signal.aborted).toBe(true);
    });
    expect(listeners()).toEqual(before);
  });

  it('passes on why it failed by itself, and leaves no listener behind', async () => {
    const before = listeners();
    const work = untilTold(() => Promise.reject(new Error('no port is free')));
    await expect(work).rejects.toThrow('no port is free');
    expect(listeners()).toEqual(before);
  });

  it('takes what a start throws when it is told to end in its midst for an end', async () => {
    const work = untilTold(async ({ signal }) => {
      process.emit('SIGHUP');
      signal.throwIfAborted();
    });
    await expect(work).resolves.toBeUndefined();
  });

  it('leaves a signal alone that means something else', async () => {
    await untilTold(
      async ({ signal }) => {
        process.emit('SIGHUP');
        expect(signal.aborted).toBe(false);
      },
      { except: ['SIGHUP'] },
    );
  });
});
