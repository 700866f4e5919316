import { MillwrightError } from '@millwright/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KV_LIMITS, type Kv, type KvFile } from './kv.ts';

/** What every store keeps; run by each adapter's test. */
export function kvContract(create: () => Promise<KvFile>): void {
  describe('a key-value store', () => {
    let file: KvFile;
    let kv: Kv;

    beforeEach(async () => {
      file = await create();
      kv = await file.open();
    });

    afterEach(async () => {
      await kv.close();
    });

    it('gives back what was set, and undefined for what was not', async () => {
      await kv.set(['a', 1], { name: 'pump', list: [1, 'two', null] });
      await kv.set(['bytes'], Uint8Array.of(0, 1, 255));
      expect(await kv.get(['a', 1])).toEqual({ name: 'pump', list: [1, 'two', null] });
      expect(new Uint8Array((await kv.get(['bytes'])) as Uint8Array)).toEqual(Uint8Array.of(0, 1, 255));
      expect(await kv.get(['a', 2])).toBeUndefined();
      expect(await kv.get(['a'])).toBeUndefined();
    });

    it('keeps its own copy of what is set', async () => {
      const bytes = Uint8Array.of(1);
      const done = kv.set(['bytes'], bytes);
      await done;
      bytes[0] = 9;
      expect((await kv.get(['bytes'])) as Uint8Array).toEqual(Uint8Array.of(1));
    });

    it('forgets what was deleted', async () => {
      await kv.set(['a'], 'x');
      await kv.delete(['a']);
      await kv.delete(['never set']);
      expect(await kv.get(['a'])).toBeUndefined();
    });

    it('lists a prefix in order: texts by their bytes, then numbers by value', async () => {
      const parts = [10, 9, -1, 0, 0.5, 1e12, 'b', 'a', 'é', 'aa'];
      for (const part of parts) await kv.set(['list', part], 'x');
      await kv.set(['list'], 'not below itself');
      await kv.set(['lisu', 1], 'beyond');
      await kv.set(['lis', 1], 'before');
      const listed = await kv.list({ prefix: ['list'] }, { limit: 100 });
      expect(listed.map((entry) => entry.key[1])).toEqual(['a', 'aa', 'b', 'é', -1, 0, 0.5, 9, 10, 1e12]);
    });

    it('lists a part of a prefix, from either end, up to a limit', async () => {
      for (let no = 0; no < 700; no += 1) await kv.set(['n', no], no);
      const keys = async (
        ends: { start?: readonly [string, number]; end?: readonly [string, number] },
        limit: number,
        reverse = false,
      ) => (await kv.list({ prefix: ['n'], ...ends }, { limit, reverse })).map((entry) => entry.key[1]);
      expect(await keys({ start: ['n', 5] }, 3)).toEqual([5, 6, 7]);
      expect(await keys({ end: ['n', 2] }, 10)).toEqual([0, 1]);
      expect(await keys({ start: ['n', 3], end: ['n', 5] }, 10)).toEqual([3, 4]);
      expect(await keys({}, 2, true)).toEqual([699, 698]);
      expect(await keys({ start: ['n', 690], end: ['n', 695] }, 2, true)).toEqual([694, 693]);
      expect(await keys({}, 1000)).toHaveLength(700);
      expect(await keys({ start: ['n', 9999] }, 10)).toEqual([]);
    });

    it('commits all of a batch, the last mutation of a key winning', async () => {
      await kv.set(['gone'], 1);
      await kv.commit([
        { type: 'set', key: ['x'], value: 1 },
        { type: 'set', key: ['x'], value: 2 },
        { type: 'delete', key: ['gone'] },
      ]);
      expect(await kv.get(['x'])).toBe(2);
      expect(await kv.get(['gone'])).toBeUndefined();
    });

    it('takes a batch at its limits and refuses one beyond them, changing nothing', async () => {
      const value = new Uint8Array(KV_LIMITS.valueBytes).fill(7);
      await kv.commit(
        Array.from({ length: 11 }, (_, no) => ({ type: 'set' as const, key: ['big', no], value })),
      );
      expect(await kv.get(['big', 10])).toHaveLength(KV_LIMITS.valueBytes);
      const many = Array.from({ length: KV_LIMITS.mutations }, (_, no) => ({
        type: 'set' as const,
        key: ['many', no],
        value: no,
      }));
      await kv.commit(many);
      await expect(kv.commit([...many, ...many])).rejects.toMatchObject({ code: 'KV_TOO_LARGE' });
      await expect(kv.set(['v'], new Uint8Array(KV_LIMITS.valueBytes + 1))).rejects.toThrow(MillwrightError);
      await expect(kv.set(['k'.repeat(KV_LIMITS.keyBytes)], 1)).rejects.toMatchObject({
        code: 'KV_TOO_LARGE',
      });
      await expect(kv.set([], 1)).rejects.toMatchObject({ code: 'KV_KEY_EMPTY' });
      expect(await kv.get(['v'])).toBeUndefined();
    });

    it('finds everything again after it was closed', async () => {
      await kv.set(['kept', 1], Uint8Array.of(1, 2, 3));
      await kv.close();
      await kv.close();
      await expect(kv.get(['kept', 1])).rejects.toMatchObject({ code: 'KV_CLOSED' });
      kv = await file.open();
      expect(await kv.get(['kept', 1])).toEqual(Uint8Array.of(1, 2, 3));
    });

    it('starts empty after its file was set aside', async () => {
      await kv.set(['old'], 1);
      await kv.close();
      expect(await file.setAside()).toContain('unreadable');
      kv = await file.open();
      expect(await kv.get(['old'])).toBeUndefined();
    });
  });
}
