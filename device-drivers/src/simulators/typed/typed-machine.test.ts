import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DeviceType,
  type ModbusPoint,
  type PointId,
  parseYamlDocument,
  type Value,
} from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { Conversation } from '../../cli/conversation.ts';
import { readSite } from '../../cli/site.ts';
import { RegisterImage } from '../modbus/register-image.ts';
import { type DeviceTypeOf, shippedTypes } from '../shipped-types.ts';
import { createSimulator } from '../simulator.ts';
import { reachOf } from './signal-shape.ts';
import { TypedMachine } from './typed-machine.ts';

const TYPE = `
type: acme-em3@1
driver: modbus
scans: { fast: 200ms }
defaults: { scan: fast }
points:
  voltage: { at: 0, as: float32, unit: V, alarms: { high: { at: 253 }, low: { at: 207, side: low } } }
  temperature: { at: 2, as: int16, scale: 0.1, unit: Cel }
  energy: { at: 4, as: uint64, scale: 0.001, unit: kW.h, class: total_increasing }
  state: { at: 8, as: uint16, bits: [4, 6], enum: { 0: off, 1: on, 5: fault } }
  serial: { at: 10, as: text, length: 4, label: Serial no }
  limit: { at: 20, as: uint16, unit: kW, write: { range: [0, 400] } }
  breaker: { table: coil, at: 0, as: bool, write: {} }
  tripped: { table: discrete, at: 0, as: bool }
  tiny: { at: 22, as: uint8, unit: W }
  temperatures: { at: 30, as: float32, unit: Cel, count: 4 }
`;

function typeOf(text: string): DeviceTypeOf<'modbus'> {
  const type = parseYamlDocument({ name: 'type.yaml', text }, DeviceType);
  if (type.driver !== 'modbus') throw new TypeError('no Modbus type');
  return type;
}

describe('a machine made from its device type', () => {
  const cleanUp: (() => unknown)[] = [];
  afterEach(async () => {
    for (const each of cleanUp.splice(0).reverse()) await each();
  });
  const run = (seed: number, steps = 3000) => {
    const machine = new TypedMachine(typeOf(TYPE), { seed });
    for (let i = 0; i < steps; i++) machine.step();
    return Object.fromEntries(Object.entries(machine.values).map(([id, value]) => [id, value()]));
  };

  it('has a plausible value for every point, the same for the same seed', () => {
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
    for (const seed of [1, 2, 3, 4, 5]) {
      const values = run(seed);
      expect(Number(values.voltage)).toBeGreaterThan(207);
      expect(Number(values.voltage)).toBeLessThan(253);
      expect(Math.abs(Number(values.temperature) - 21.5)).toBeLessThan(15);
      expect([0, 1, 5]).toContain(values.state);
      expect(values.serial).toBe('Serial n');
      expect(Number(values.tiny)).toBeLessThanOrEqual(255);
      expect(values.temperatures_3).toEqual(expect.any(Number));
    }
  });

  it('counts upwards only', () => {
    const machine = new TypedMachine(typeOf(TYPE), { seed: 1 });
    let before = Number(machine.values.energy?.());
    for (let i = 0; i < 100; i++) {
      machine.step();
      const now = Number(machine.values.energy?.());
      expect(now).toBeGreaterThan(before);
      before = now;
    }
  });

  it('serves every Modbus type that comes with Millwright', async () => {
    for (const type of await shippedTypes()) {
      if (type.driver !== 'modbus') continue;
      const machine = new TypedMachine(type, { seed: 7 });
      const image = new RegisterImage(type, machine);
      for (let i = 0; i < 600; i++) machine.step();
      image.refresh();
      for (const [id, point] of Object.entries(type.points) as [string, ModbusPoint][]) {
        const value = machine.values[id]?.();
        const [low, high] = reachOf(point);
        if (typeof value === 'number') expect(value, id).toBeLessThanOrEqual(Math.max(high, low));
      }
    }
  });

  it('speaks the real protocol, and keeps what is written', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millwright-typed-'));
    cleanUp.push(() => rmSync(folder, { recursive: true, force: true }));
    mkdirSync(join(folder, 'types'));
    writeFileSync(join(folder, 'types', 'acme.yaml'), TYPE);
    const simulator = await createSimulator(
      {
        kind: 'type',
        file: 'types/acme.yaml',
        seed: 1,
        speed: 1,
        host: '127.0.0.1',
        port: 0,
        rtuOverTcp: false,
      },
      { clock: systemClock, logger: new MemoryLogger(), secret: () => undefined, folder },
    );
    await simulator.start();
    cleanUp.push(() => simulator.stop());
    expect(simulator.devices()[0]).toMatchObject({ id: 'acme-em3', type: 'acme-em3@1' });
    const connect = JSON.stringify(simulator.devices()[0]?.connect);
    writeFileSync(join(folder, 'site.yaml'), `- { id: em, type: acme-em3@1, connect: ${connect} }\n`);
    const [spec] = await readSite(join(folder, 'site.yaml'), [join(folder, 'types')], {});
    if (spec === undefined) throw new TypeError('no device');
    const deps = { clock: systemClock, logger: new MemoryLogger(), environment: {} };
    const conversation = await Conversation.with(spec, deps);
    await conversation.start();
    cleanUp.push(() => conversation.stop());
    const ids = Object.keys(spec.points) as PointId[];
    expect(await conversation.awaitGood(ids, 30_000)).toBe(true);
    expect(conversation.sampleOf('voltage' as PointId)?.v).toBeGreaterThan(200);
    expect(conversation.sampleOf('serial' as PointId)?.v).toBe('Serial n');
    expect([0, 1, 5]).toContain(conversation.sampleOf('state' as PointId)?.v);

    const write = (point: string, value: Value) =>
      conversation.driver.write(spec.id, point as PointId, value, { signal: AbortSignal.timeout(30_000) });
    const shows = (point: string) => conversation.sampleOf(point as PointId)?.v;
    const other = shows('breaker') !== true;
    await write('limit', 123);
    await write('breaker', other);
    expect(await conversation.until(() => shows('limit') === 123 && shows('breaker') === other, 30_000)).toBe(
      true,
    );
    await expect(write('limit', 500)).rejects.toThrow();
  });
});
