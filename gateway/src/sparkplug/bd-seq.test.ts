import { describe, expect, it } from 'vitest';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { BdSeq } from './bd-seq.ts';

describe('the number of a Sparkplug session', () => {
  it('starts at 0, goes on where it was after a restart, and turns from 255 to 0', async () => {
    const file = new MemoryKvFile();
    const kv = await file.open();
    expect(await new BdSeq({ kv }).next()).toBe(0);
    const bdSeq = new BdSeq({ kv });
    for (let expected = 1; expected < 256; expected++) expect(await bdSeq.next()).toBe(expected);
    expect(await new BdSeq({ kv }).next()).toBe(0);
  });

  it('is none before the first session', async () => {
    const kv = await new MemoryKvFile().open();
    expect(() => new BdSeq({ kv }).current).toThrow('no session');
  });
});
