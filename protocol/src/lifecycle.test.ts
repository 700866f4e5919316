import { describe, expect, it } from 'vitest';
import { type Lifecycle, startAll, stopAll } from './lifecycle.ts';

/** A part that writes down what is done to it. */
class Part implements Lifecycle {
  readonly #name: string;
  readonly #log: string[];
  readonly #fails: { readonly start?: Error; readonly stop?: Error };

  constructor(name: string, log: string[], fails: { readonly start?: Error; readonly stop?: Error } = {}) {
    this.#name = name;
    this.#log = log;
    this.#fails = fails;
  }

  async start(): Promise<void> {
    this.#log.push(`start ${this.#name}`);
    if (this.#fails.start) throw this.#fails.start;
  }

  async stop(): Promise<void> {
    this.#log.push(`stop ${this.#name}`);
    if (this.#fails.stop) throw this.#fails.stop;
  }
}

describe('parts', () => {
  it('start in order and stop in reverse', async () => {
    const log: string[] = [];
    const parts = [new Part('a', log), new Part('b', log)];
    await startAll(parts);
    await stopAll(parts);
    expect(log).toEqual(['start a', 'start b', 'stop b', 'stop a']);
  });

  it('of which one cannot start are stopped, the failed one too, and its error is the one thrown', async () => {
    const log: string[] = [];
    const start = new Error('b is broken');
    const parts = [
      new Part('a', log, { stop: new Error('a hangs on') }),
      new Part('b', log, { start }),
      new Part('c', log),
    ];
    await expect(startAll(parts)).rejects.toBe(start);
    expect(log).toEqual(['start a', 'start b', 'stop b', 'stop a']);
  });

  it('all stop even when some fail, and every error is told', async () => {
    const log: string[] = [];
    const [first, third] = [new Error('one'), new Error('three')];
    const parts = [
      new Part('a', log, { stop: first }),
      new Part('b', log),
      new Part('c', log, { stop: third }),
    ];
    await expect(stopAll(parts)).rejects.toMatchObject({
      errors: [third, first],
      message: '2 parts did not stop cleanly',
    });
    expect(log).toEqual(['stop c', 'stop b', 'stop a']);
  });

  it('do not start after an abort, and those already started stop', async () => {
    const log: string[] = [];
    const abort = new AbortController();
    const aborting: Lifecycle = {
      start: async () => abort.abort(new Error('Ctrl-C')),
      stop: async () => {
        log.push('stop aborting');
      },
    };
    await expect(startAll([aborting, new Part('b', log)], { signal: abort.signal })).rejects.toThrow(
      'Ctrl-C',
    );
    expect(log).toEqual(['stop b', 'stop aborting']);
  });

  it('get the signal', async () => {
    const { signal } = new AbortController();
    let given: AbortSignal | undefined;
    const part: Lifecycle = {
      start: async (options) => {
        given = options?.signal;
      },
      stop: async () => undefined,
    };
    await startAll([part], { signal });
    expect(given).toBe(signal);
  });
});
