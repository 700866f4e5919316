import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type DeviceSlug, InlineDevice } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node/system-clock';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FoundDevice } from '../../driver.ts';
import { Recorder } from '../../testing/index.ts';
import { modbusDriver } from '../index.ts';
import { ModbusPeer, modbusDevice } from '../test-peer.ts';
import { describeModel } from './describe-model.ts';
import { ModelFolder } from './models.ts';

const MODELS = join(import.meta.dirname, '../../../../../shared/data/sunspec/json');
const hasModels = existsSync(MODELS);
if (!hasModels) console.warn(`SunSpec discovery is not tested: ${MODELS} is missing`);
const patience = { timeout: 30_000 };

let peer: ModbusPeer;
beforeEach(async () => {
  peer = await ModbusPeer.create();
  await peer.start();
});
afterEach(() => peer.stop());

function put(address: number, ...words: readonly number[]): number {
  peer.holding.set(
    words.map((word) => word & 0xffff),
    address,
  );
  return address + words.length;
}

function putText(address: number, text: string, size: number): number {
  const bytes = Buffer.from(text.padEnd(2 * size, '\0'));
  return put(address, ...Array.from({ length: size }, (_, i) => bytes.readUInt16BE(2 * i)));
}

/** A model of `length` registers in which nothing is implemented, then some that are. */
function putModel(
  address: number,
  id: number,
  length: number,
  some: Readonly<Record<number, number>>,
): number {
  put(address, id, length, ...new Array<number>(length).fill(0xffff));
  for (const [offset, word] of Object.entries(some)) put(address + Number(offset), word);
  return address + 2 + length;
}

/** An inverter: who it is, three phases, two strings of panels. */
function inverter(base: number): void {
  let at = put(base, 0x5375, 0x6e53, 1, 66);
  at = putText(at, 'Sunny', 16);
  at = putText(at, 'Boy 3.0', 16);
  at = putText(at, '', 8);
  at = putText(at, '1.2.3', 8);
  at = putText(at, '4711', 16);
  at = put(at, 1, 0x8000);
  // Offsets of model 103: 2 A, 6 its factor, 14 W, 15 its factor, 16 Hz, 17 its factor, 24 and 25 energy, 26 its factor.
  const measured = { 2: 1234, 6: -2, 8: 0xffff, 14: -250, 15: 1, 16: 5001, 17: -2, 24: 1, 25: 0x86a0, 26: 0 };
  at = putModel(at, 103, 50, { ...measured, 38: 4 });
  // Model 160: 2 to 5 factors, 8 count of modules, then 20 registers each: 9 current, 10 voltage, 11 power.
  const module = (nth: number) => ({ [10 + 20 * nth + 9]: 300 + nth, [10 + 20 * nth + 10]: 4000 });
  at = putModel(at, 160, 48, { 2: -2, 3: -1, 4: 0, 5: 0, 8: 2, ...module(0), ...module(1) });
  put(at, 0xffff, 0);
}

async function discover(more: object = {}, port = peer.port, signal = new AbortController().signal) {
  const target = {
    connect: modbusDevice({
      id: 'x',
      connect: { tcp: `127.0.0.1:${port}`, unit: 1, timeout: '300ms' },
      points: { a: { at: 0, as: 'uint16' } },
    }).spec.connect,
    models: MODELS,
    maxPoints: 1000,
    ...more,
  };
  const found: FoundDevice[] = [];
  const deps = { clock: systemClock, logger: new MemoryLogger() };
  for await (const each of modbusDriver.discover?.(target, deps, { signal }) ?? []) found.push(each);
  return found;
}

describe.runIf(hasModels)('a SunSpec device', () => {
  it.each([40_000, 50_000, 0])('whose models begin at %i describes itself', async (base) => {
    inverter(base);
    const [found, ...others] = await discover();
    expect(others).toEqual([]);
    expect(found).toMatchObject({ id: 'sunny-boy-3-0', title: 'Sunny Boy 3.0, serial 4711' });
    const points = found?.body.points as Record<string, object>;
    expect(points.m1_mn).toMatchObject({ at: base + 4, as: 'text', label: 'Manufacturer', scan: 'fixed' });
    expect(points.m103_a).toMatchObject({ at: base + 72, as: 'uint16', unit: 'A', scaleFrom: 'm103_a_sf' });
    expect(points.m103_wh).toMatchObject({ as: 'uint32', unit: 'W.h', class: 'total_increasing' });
    expect(points.m103_st).toMatchObject({ enum: { 4: 'MPPT' } });
    expect(Object.keys(points).filter((id) => /^m160_module_\d_dca$/.test(id))).toEqual([
      'm160_module_1_dca',
      'm160_module_2_dca',
    ]);
    // Not implemented by this one: the voltage between its phases, the options it was made with.
    expect(points.m103_ppv_phab ?? points.m1_opt).toBeUndefined();
    expect(found?.notes?.join()).toMatch(/does not implement them: \d+ points/);
  });

  it('is read as it describes itself, each value scaled as the device says at that moment', async () => {
    inverter(40_000);
    const [found] = await discover();
    const body = { id: 'inverter', ...found?.body, scans: { live: '50ms', fixed: '1s' } };
    const described = modbusDevice(InlineDevice.parse({ driver: 'modbus', ...body }) && body);
    const seen = new Recorder();
    const driver = modbusDriver.create([described], seen.deps());
    const value = (name: string) => {
      const [, no] = [...described.numbers].find(([id]) => id === name) ?? [];
      return no === undefined ? undefined : seen.latest(no)?.v;
    };
    try {
      await driver.start();
      const all = () => ['m103_a', 'm103_w', 'm103_hz', 'm103_wh', 'm1_md', 'm160_module_2_dca'].map(value);
      await expect.poll(all, patience).toEqual([12.34, -2500, 50.01, 100_000, 'Boy 3.0', 3.01]);
      put(40_000 + 70 + 6, -1);
      await expect.poll(() => value('m103_a'), patience).toBe(123.4);
      // A factor beyond ten is none: the values that need it are bad, the others are not.
      put(40_000 + 70 + 6, 11);
      await expect.poll(() => value('m103_a'), patience).toBe(null);
      expect(value('m103_w')).toBe(-2500);
      const wrong = seen.samples.filter(
        ({ point, v }) =>
          point ===
            described.numbers.get(
              [...described.numbers.keys()].find((id) => id === 'm103_a') ?? ('' as never),
            ) && ![12.34, 123.4, null].includes(v as number | null),
      );
      expect(wrong).toEqual([]);
      expect(seen.history('inverter' as DeviceSlug)).toEqual(['up']);
    } finally {
      await driver.stop();
    }
  });

  it('with a model that the folder does not define is described without it, and says so', async () => {
    put(40_000, 0x5375, 0x6e53);
    const next = putModel(40_002, 63_999, 10, {});
    putModel(next, 103, 50, { 2: 1, 6: 0 });
    put(next + 52, 0xffff, 0);
    const [found] = await discover();
    expect(found).toMatchObject({ id: 'unit-1', title: 'SunSpec device' });
    expect(found?.notes?.[0]).toContain('model 63999 at register 40002 has no definition');
  });

  it('whose chain breaks is described up to there', async () => {
    inverter(40_000);
    peer.illegal.add(40_123);
    const [found] = await discover();
    expect(Object.keys(found?.body.points as object).some((id) => id.startsWith('m160'))).toBe(false);
    expect(found?.notes?.join()).toContain('breaks at register 40122');
  });

  it('whose chain has no end is read up to a bound', async () => {
    inverter(40_000);
    for (let at = 40_172; at < 65_000; at += 2) put(at, 9, 0);
    const [found] = await discover();
    expect(found?.notes?.join()).toContain('has no end');
    expect(peer.reads.length).toBeLessThan(500);
  });

  it('with more points than wanted is cut, and says where', async () => {
    inverter(40_000);
    const [found] = await discover({ maxPoints: 12 });
    expect(Object.keys(found?.body.points as object).length).toBeLessThanOrEqual(12);
    expect(found?.notes?.join()).toContain('more than 12 points');
  });
});

describe('discovery of SunSpec', () => {
  it('says that a device is none', async () => {
    await expect(discover()).rejects.toMatchObject({ code: 'NOT_SUNSPEC' });
  });

  it('says that nobody answers', async () => {
    peer.silentUnits.add(1);
    await expect(discover()).rejects.toMatchObject({ code: 'DEVICE_OFFLINE' });
    await peer.stop();
    await expect(discover()).rejects.toMatchObject({ code: 'MODBUS_CONNECT_FAILED' });
  });

  it('says where to get the definitions', async () => {
    await expect(discover({ models: undefined })).rejects.toMatchObject({
      code: 'MODELS_MISSING',
      hint: expect.stringContaining('--models'),
    });
  });

  it('ends when it is told to', async () => {
    peer.silentUnits.add(1);
    const abort = new AbortController();
    const found = discover({}, peer.port, abort.signal);
    await expect.poll(() => peer.reads.length, patience).toBeGreaterThan(0);
    abort.abort(new DOMException('enough', 'AbortError'));
    await expect(found).rejects.toBeDefined();
    await expect.poll(() => peer.connections(), patience).toBe(0);
  });
});

describe.runIf(hasModels)('every model SunSpec defines', () => {
  const ids = hasModels
    ? readdirSync(MODELS).flatMap((file) => /^model_(\d+)\.json$/.exec(file)?.slice(1).map(Number) ?? [])
    : [];

  it('makes a device file that is right, whatever a device puts into it', async () => {
    const folder = new ModelFolder(MODELS);
    expect(ids.length).toBeGreaterThan(100);
    for (const id of ids) {
      const model = await folder.model(id);
      if (model === undefined) continue;
      // Counts of 1 and texts of one character.
      const words = new Uint16Array(400).fill(1);
      const { points } = describeModel(model, { id, address: 40_002, words }, `m${id}`);
      if (points.size === 0) continue;
      const checked = InlineDevice.safeParse({
        id: 'x',
        driver: 'modbus',
        connect: { tcp: 'x:502' },
        scans: { live: '2s', fixed: '10m' },
        defaults: { scan: 'live' },
        points: Object.fromEntries(points),
      });
      expect([id, checked.error?.issues]).toEqual([id, undefined]);
      const names = [...points.values()].flatMap(({ scaleFrom }) =>
        scaleFrom === undefined ? [] : [String(scaleFrom)],
      );
      expect([id, names.filter((name) => !points.has(name))]).toEqual([id, []]);
    }
  });
});
