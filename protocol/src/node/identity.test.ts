import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadOrCreateIdentity } from './identity.ts';

describe('the key of a host', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'identity-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  test('is made once and found again', async () => {
    const state = join(dir, 'new', 'state');
    const first = await loadOrCreateIdentity(state);
    const again = await loadOrCreateIdentity(state);
    expect(again.peerId).toBe(first.peerId);
    expect(again.publicKey).toEqual(first.publicKey);
    expect(first.publicKey).toHaveLength(32);
    expect(first.peerId).toMatch(/^12D3KooW/);
    expect(await readdir(state), 'no temporary file stays').toEqual(['identity.key']);
  });

  test('is readable by its owner only, and refused when it is not', async () => {
    await loadOrCreateIdentity(dir);
    const path = join(dir, 'identity.key');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await chmod(path, 0o644);
    await expect(loadOrCreateIdentity(dir)).rejects.toMatchObject({
      code: 'IDENTITY_PERMISSIONS',
      hint: `run: chmod 600 ${path}`,
    });
  });

  test('is never replaced when it is damaged', async () => {
    const path = join(dir, 'identity.key');
    for (const damaged of ['', 'not base64!', 'AAAA']) {
      await writeFile(path, damaged, { mode: 0o600 });
      await expect(loadOrCreateIdentity(dir)).rejects.toMatchObject({ code: 'IDENTITY_UNREADABLE' });
      expect(await readFile(path, 'utf8')).toBe(damaged);
    }
  });

  test('says which folder it cannot use', async () => {
    const file = join(dir, 'file');
    await writeFile(file, '');
    await expect(loadOrCreateIdentity(join(file, 'state'))).rejects.toMatchObject({
      code: 'STATE_DIR',
      message: expect.stringContaining(file),
    });
  });
});
