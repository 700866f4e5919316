import type { Value } from '@millwright/protocol';
import { describe, expect, it } from 'vitest';
import type { Machine } from '../machine.ts';
import { AirHandler } from './air-handler.ts';
import { EnergyMeter } from './energy-meter.ts';
import { Room } from './room.ts';

const MIDNIGHT = Date.UTC(2026, 0, 1);
const NOON = MIDNIGHT + 12 * 3_600_000;

const run = (machine: Machine, seconds: number) => {
  for (let i = 0; i < seconds * 10; i++) machine.step();
};
const value = (machine: Machine, name: string) => Number(machine.values[name]?.());
const snapshot = (machine: Machine): Record<string, Value> =>
  Object.fromEntries(Object.entries(machine.values).map(([name, read]) => [name, read()]));

describe.each([
  ['energy meter', (seed: number) => new EnergyMeter({ seed, startMs: NOON })],
  ['air handler', (seed: number) => new AirHandler({ seed, startMs: NOON })],
  ['room', (seed: number) => new Room({ seed, name: 'lab', startMs: NOON })],
])('%s', (_name, make: (seed: number) => Machine) => {
  it('repeats itself exactly with the same seed, and differs with another', () => {
    const history = (seed: number) => {
      const machine = make(seed);
      return Array.from({ length: 30 }, () => {
        run(machine, 60);
        return snapshot(machine);
      });
    };
    expect(history(5)).toEqual(history(5));
    expect(history(5)).not.toEqual(history(6));
  });

  it('has finite values for a simulated day', () => {
    const machine = make(2);
    for (let minute = 0; minute < 24 * 60; minute += 5) {
      run(machine, 300);
      for (const [name, read] of Object.entries(machine.values)) {
        expect(Number.isFinite(Number(read())), name).toBe(true);
      }
    }
  });
});

describe('energy meter', () => {
  it('counts as energy what it measured as power', () => {
    const meter = new EnergyMeter({ seed: 1, startMs: NOON });
    run(meter, 60);
    const before = value(meter, 'energy');
    let kwh = 0;
    for (let i = 0; i < 36_000; i++) {
      meter.step();
      kwh += value(meter, 'power') / 36_000;
    }
    expect(value(meter, 'energy') - before).toBeCloseTo(kwh, 1);
    expect(kwh).toBeGreaterThan(10);
  });

  it('agrees with itself: the phases make the total, and P = U · I · power factor', () => {
    const meter = new EnergyMeter({ seed: 1, startMs: NOON });
    run(meter, 600);
    const phases = [1, 2, 3].map((n) => value(meter, `power_l${n}`));
    expect(phases[0]).toBeGreaterThan(0);
    expect(phases.reduce((sum, kw) => sum + kw, 0)).toBeCloseTo(value(meter, 'power'), 2);
    const kva = [1, 2, 3].reduce(
      (sum, n) => sum + (value(meter, `voltage_l${n}`) * value(meter, `current_l${n}`)) / 1000,
      0,
    );
    expect(value(meter, 'power') / kva).toBeCloseTo(value(meter, 'power_factor'), 2);
  });

  it('keeps the voltage and loses the load when the breaker opens', () => {
    const meter = new EnergyMeter({ seed: 1, startMs: NOON });
    run(meter, 60);
    expect(meter.commands.breaker?.(false)).toBe(true);
    run(meter, 60);
    const energy = value(meter, 'energy');
    run(meter, 600);
    expect(value(meter, 'power')).toBe(0);
    expect(value(meter, 'current_l1')).toBe(0);
    expect(value(meter, 'voltage_l1')).toBeGreaterThan(215);
    expect(value(meter, 'energy')).toBe(energy);
  });

  it('sheds chargers under a demand limit', () => {
    const free = new EnergyMeter({ seed: 12, startMs: NOON });
    const limited = new EnergyMeter({ seed: 12, startMs: NOON });
    limited.commands.demand_limit?.(40);
    let above = 0;
    let freeAbove = 0;
    for (let minute = 0; minute < 240; minute++) {
      run(free, 60);
      run(limited, 60);
      if (value(limited, 'power') > 60) above += 1;
      if (value(free, 'power') > 60) freeAbove += 1;
    }
    expect(freeAbove).toBeGreaterThan(30);
    expect(above).toBeLessThan(freeAbove / 5);
    expect(limited.commands.demand_limit?.(401)).toBe(false);
  });
});

describe('air handler', () => {
  it('holds its supply setpoint, also a new one', () => {
    const unit = new AirHandler({ seed: 1, startMs: NOON });
    run(unit, 3600);
    expect(Math.abs(value(unit, 'supply_temperature') - 18)).toBeLessThan(1);
    expect(unit.commands.supply_setpoint?.(24)).toBe(true);
    run(unit, 3600);
    expect(Math.abs(value(unit, 'supply_temperature') - 24)).toBeLessThan(1);
    expect(value(unit, 'heating') * value(unit, 'cooling')).toBe(0);
  });

  it('stands still when switched off', () => {
    const unit = new AirHandler({ seed: 1, startMs: NOON });
    run(unit, 600);
    expect(unit.commands.mode?.(0)).toBe(true);
    run(unit, 600);
    expect(value(unit, 'fan_speed')).toBe(0);
    expect(value(unit, 'damper')).toBe(0);
    expect(value(unit, 'filter_pressure')).toBeLessThan(1);
    expect(unit.commands.mode?.(3)).toBe(false);
    expect(unit.commands.mode?.(0.5)).toBe(false);
  });
});

describe('room', () => {
  it('fills with carbon dioxide while people work and empties at night', () => {
    const room = new Room({ seed: 4, name: 'lab', startMs: NOON });
    run(room, 4 * 3600);
    const day = value(room, 'co2');
    run(room, 11 * 3600);
    expect(day).toBeGreaterThan(600);
    expect(value(room, 'co2')).toBeLessThan(day);
  });

  it('warms with the relay closed, and leaves automatic when it is switched by hand', () => {
    const cold = new Room({ seed: 4, name: 'lab', startMs: MIDNIGHT });
    const warm = new Room({ seed: 4, name: 'lab', startMs: MIDNIGHT });
    expect(warm.commands.relay?.(true)).toBe(true);
    cold.commands.relay?.(false);
    expect(warm.values.automatic?.()).toBe(false);
    run(cold, 3600);
    run(warm, 3600);
    expect(value(warm, 'temperature') - value(cold, 'temperature')).toBeGreaterThan(3);
    expect(warm.commands.automatic?.(true)).toBe(true);
    run(warm, 10);
    expect(warm.values.relay?.()).toBe(false);
  });

  it('differs between rooms of one seed', () => {
    const at = (name: string) => {
      const room = new Room({ seed: 4, name, startMs: NOON });
      run(room, 600);
      return snapshot(room);
    };
    expect(at('lab')).not.toEqual(at('office'));
  });
});
