import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SupervisedProcess } from './supervisor.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'millwright-up-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** A real child: counts its starts in a file, writes its ready file, ends when its parent is gone. */
const CHILD = `
  import { appendFileSync, writeFileSync } from 'node:fs';
  const [starts, ready] = process.argv.slice(2);
  appendFileSync(starts, process.pid + '\\n');
  console.log('hello from', process.pid);
  if (process.env.FALL === '1') process.exit(3);
  writeFileSync(ready, JSON.stringify({ pid: process.pid }));
  process.once('disconnect', () => process.exit(0));
  process.once('SIGTERM', () => process.exit(0));
  setInterval(() => undefined, 1000);
`;

async function child(env: Record<string, string> = {}) {
  const program = join(root, 'child.mjs');
  const starts = join(root, 'starts');
  const readyFile = join(root, 'ready.json');
  await writeFile(program, CHILD);
  const spec = { name: 'child', args: [starts, readyFile], env, readyFile, logFile: join(root, 'child.log') };
  const supervised = new SupervisedProcess(spec, { clock: systemClock, logger: new MemoryLogger(), program });
  return { supervised, starts: async () => (await readFile(starts, 'utf8')).trim().split('\n').map(Number) };
}

const soon = { timeout: 15_000, interval: 30 };
const within = { signal: new AbortController().signal, timeoutMs: 15_000 };

describe('SupervisedProcess', () => {
  it('starts a process again when it was killed, and keeps what it printed', async () => {
    const { supervised, starts } = await child();
    await supervised.start();
    const first = await supervised.ready(within);
    process.kill(Number(first.pid), 'SIGKILL');
    await vi.waitFor(async () => expect(await starts()).toHaveLength(2), soon);
    const second = await supervised.ready(within);
    expect(second.pid).not.toBe(first.pid);
    expect(supervised.pid).toBe(second.pid);
    await supervised.stop();
    expect(await readFile(join(root, 'child.log'), 'utf8')).toContain(`hello from ${second.pid}`);
    expect(supervised.pid).toBeUndefined();
  });

  it('says what a process printed that keeps falling, instead of waiting for ever', async () => {
    const { supervised } = await child({ FALL: '1' });
    await supervised.start();
    await expect(supervised.ready(within)).rejects.toMatchObject({
      code: 'PROCESS_NOT_READY',
      message: expect.stringContaining('hello from'),
    });
    await supervised.stop();
  });

  it('may be stopped before it was started', async () => {
    const { supervised } = await child();
    await supervised.stop();
    await supervised.start();
    expect(supervised.pid).toBeUndefined();
  });
});
