import { UnavailableError } from '@millwright/protocol';
import { describe, expect, it } from 'vitest';
import { kvContract } from './kv.contract.ts';
import { MemoryKvFile } from './memory-kv.ts';

kvContract(async () => new MemoryKvFile());

describe('the in-memory store', () => {
  it('fails writes as told and changes nothing meanwhile', async () => {
    const file = new MemoryKvFile();
    const kv = await file.open();
    await kv.set(['a'], 1);
    file.writeFault = new UnavailableError('KV_DISK_FULL', 'the disk is full');
    await expect(kv.set(['a'], 2)).rejects.toMatchObject({ code: 'KV_DISK_FULL' });
    expect(await kv.get(['a'])).toBe(1);
    file.writeFault = undefined;
    await kv.set(['a'], 3);
    expect(await kv.get(['a'])).toBe(3);
  });
});
