import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockState } from './state-lock.ts';

describe('the claim on a state folder', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-lock-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('keeps a second gateway out while the first one lives, and names it', async () => {
    const lock = await lockState(folder, process.pid);
    await expect(lockState(folder, process.pid)).rejects.toMatchObject({
      code: 'STATE_LOCKED',
      message: expect.stringContaining(`pid ${process.pid}`),
    });
    await lock.release();
    await (await lockState(folder, process.pid)).release();
  });

  it('takes over from a process that is no more', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    writeFileSync(join(folder, 'gateway.lock'), `${pid} 1 boot`);
    const lock = await lockState(folder, process.pid);
    expect(readFileSync(join(folder, 'gateway.lock'), 'utf8')).toMatch(new RegExp(`^${process.pid} `));
    await lock.release();
  });

  it.runIf(process.platform === 'linux')(
    'takes over when the number of the dead process belongs to another one now',
    async () => {
      writeFileSync(join(folder, 'gateway.lock'), `${process.pid} 1 another-boot`);
      await (await lockState(folder, process.pid)).release();
    },
  );

  it('takes over a claim that was cut off while it was written', async () => {
    writeFileSync(join(folder, 'gateway.lock'), '');
    await (await lockState(folder, process.pid)).release();
  });

  it('makes the folder, or says why it cannot', async () => {
    await (await lockState(join(folder, 'new', 'state'), process.pid)).release();
    writeFileSync(join(folder, 'file'), '');
    await expect(lockState(join(folder, 'file', 'state'), process.pid)).rejects.toMatchObject({
      code: 'STATE_DIR',
      hint: expect.stringContaining('belongs to this user'),
    });
  });
});
