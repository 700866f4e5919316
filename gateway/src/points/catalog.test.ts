import { type DeviceSlug, type PointId, UnavailableError } from '@millwright/protocol';
import { MemoryLogger } from '@millwright/protocol/testing';
import { describe, expect, it, vi } from 'vitest';
import type { Kv } from '../journal/kv/kv.ts';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { Catalog, type CatalogWish } from './catalog.ts';

async function catalogOn(...stores: Kv[]): Promise<Catalog> {
  const catalog = new Catalog({ logger: new MemoryLogger(), stores });
  await catalog.load();
  return catalog;
}

const wish = (point: string, more: Partial<CatalogWish> = {}): CatalogWish => ({
  device: 'pump-1' as DeviceSlug,
  point: point as PointId,
  kind: 'float64',
  ...more,
});

describe('the point catalogue', () => {
  it('counts from 0 and gives the same point the same number, also after a restart', async () => {
    const kv = await new MemoryKvFile().open();
    const catalog = await catalogOn(kv);
    expect(await catalog.numbers([wish('a'), wish('b'), wish('a')])).toEqual([0, 1, 0]);
    expect(await (await catalogOn(kv)).numbers([wish('c'), wish('b')])).toEqual([2, 1]);
  });

  it('gives a point that means something else a new number, and the old one back when it returns', async () => {
    const catalog = await catalogOn(await new MemoryKvFile().open());
    const numbers = await catalog.numbers([
      wish('a', { unit: 'kW' }),
      wish('a', { unit: 'W' }),
      wish('a', { unit: 'kW', kind: 'int64' }),
      wish('a', { unit: 'kW', writable: { range: [0, 1] } }),
      wish('a', { unit: 'kW' }),
    ]);
    expect(numbers).toEqual([0, 1, 2, 3, 0]);
    expect(catalog.entries().map((entry) => entry.no)).toEqual([0, 1, 2, 3]);
    expect(catalog.entry(numbers[1] ?? (0 as never))).toMatchObject({ unit: 'W' });
  });

  it('does not hand out a number it could not write', async () => {
    const file = new MemoryKvFile();
    const catalog = await catalogOn(await file.open());
    file.writeFault = new UnavailableError('KV_DISK_FULL', 'the disk is full');
    await expect(catalog.numbers([wish('a')])).rejects.toThrow('the disk is full');
    expect(catalog.entries()).toEqual([]);
    file.writeFault = undefined;
    expect(await catalog.numbers([wish('b'), wish('a')])).toEqual([0, 1]);
  });

  it('keeps numbers apart when asked twice at once', async () => {
    const catalog = await catalogOn(await new MemoryKvFile().open());
    const [first, second] = await Promise.all([
      catalog.numbers([wish('a'), wish('b')]),
      catalog.numbers([wish('b'), wish('c')]),
    ]);
    expect([first, second]).toEqual([
      [0, 1],
      [1, 2],
    ]);
  });

  it('survives the loss of one of its copies', async () => {
    const left = await new MemoryKvFile().open();
    const right = await new MemoryKvFile().open();
    await (await catalogOn(left, right)).numbers([wish('a'), wish('b')]);
    const replaced = await new MemoryKvFile().open();
    const catalog = await catalogOn(replaced, right);
    expect(await catalog.numbers([wish('b'), wish('c')])).toEqual([1, 2]);
    expect((await catalogOn(replaced)).entries()).toHaveLength(3);
  });

  it('tells when it has grown, and only then', async () => {
    const catalog = await catalogOn(await new MemoryKvFile().open());
    const grown = vi.fn();
    const forget = catalog.onGrown(grown);
    await catalog.numbers([wish('a')]);
    await catalog.numbers([wish('a')]);
    expect(grown).toHaveBeenCalledTimes(1);
    forget();
    await catalog.numbers([wish('b')]);
    expect(grown).toHaveBeenCalledTimes(1);
  });

  it('holds more points than one commit can carry', async () => {
    const kv = await new MemoryKvFile().open();
    const wishes = Array.from({ length: 2500 }, (_, at) => wish(`p${at}`));
    await (await catalogOn(kv)).numbers(wishes);
    expect((await catalogOn(kv)).entries()).toHaveLength(2500);
  });
});
