import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { DenoKvFile } from './deno-kv.ts';
import { kvContract } from './kv.contract.ts';

const folders: string[] = [];
const folder = () => {
  const path = mkdtempSync(join(tmpdir(), 'millwright-kv-'));
  folders.push(path);
  return path;
};
afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

kvContract(async () => new DenoKvFile(join(folder(), 'below', 'store.kv')));

describe('the store on disk', () => {
  it('says so when the file is not a database, and works again once it was set aside', async () => {
    const path = join(folder(), 'store.kv');
    writeFileSync(path, 'hello'.repeat(10_000));
    const file = new DenoKvFile(path);
    await expect(file.open()).rejects.toMatchObject({ code: 'KV_CORRUPT' });
    await file.setAside();
    const kv = await file.open();
    await kv.set(['a'], 1);
    expect(await kv.get(['a'])).toBe(1);
    await kv.close();
  });

  it('says so when the folder cannot be made', async () => {
    const path = join(folder(), 'file');
    writeFileSync(path, '');
    await expect(new DenoKvFile(join(path, 'store.kv')).open()).rejects.toMatchObject({ code: 'KV_IO' });
  });
});
