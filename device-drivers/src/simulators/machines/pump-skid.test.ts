import type { Value } from '@millwright/protocol';
import { describe, expect, it } from 'vitest';
import { PumpSkid } from './pump-skid.ts';

const run = (pump: PumpSkid, seconds: number) => {
  for (let i = 0; i < seconds * 10; i++) pump.step();
};
const value = (pump: PumpSkid, name: string) => Number(pump.values[name]?.());
const snapshot = (pump: PumpSkid): Record<string, Value> =>
  Object.fromEntries(Object.entries(pump.values).map(([name, read]) => [name, read()]));

describe('pump skid', () => {
  it('reaches the operating point where its curve meets the pipe', () => {
    const pump = new PumpSkid({ seed: 1, anomalyEveryMs: 0 });
    run(pump, 120);
    expect(value(pump, 'speed')).toBe(2800);
    expect(value(pump, 'flow')).toBeGreaterThan(45);
    expect(value(pump, 'flow')).toBeLessThan(65);
    expect(value(pump, 'head')).toBeGreaterThan(30);
    expect(value(pump, 'head')).toBeLessThan(45);
    expect(value(pump, 'motor_current')).toBeGreaterThan(10);
    expect(value(pump, 'motor_current')).toBeLessThan(24);
    expect(value(pump, 'power')).toBeGreaterThan(5);
    expect(pump.condition.cavitation).toBe(0);
  });

  it('obeys the affinity laws: head with the square of the speed, against a closed valve', () => {
    const head = (speed: number) => {
      const pump = new PumpSkid({ seed: 1, anomalyEveryMs: 0 });
      pump.commands.speed_setpoint?.(speed);
      pump.commands.valve_setpoint?.(0);
      run(pump, 120);
      expect(value(pump, 'flow')).toBeLessThan(1);
      return value(pump, 'head');
    };
    expect(head(2800) / head(1400)).toBeCloseTo(4, 0);
  });

  it('delivers less and draws less with a throttled valve, at more head', () => {
    const open = new PumpSkid({ seed: 3, anomalyEveryMs: 0 });
    const throttled = new PumpSkid({ seed: 3, anomalyEveryMs: 0 });
    throttled.commands.valve_setpoint?.(40);
    run(open, 120);
    run(throttled, 120);
    expect(value(throttled, 'flow')).toBeLessThan(0.7 * value(open, 'flow'));
    expect(value(throttled, 'head')).toBeGreaterThan(value(open, 'head'));
    expect(value(throttled, 'power')).toBeLessThan(value(open, 'power'));
  });

  it('balances what comes out of the motor with what goes into the water', () => {
    const pump = new PumpSkid({ seed: 4, anomalyEveryMs: 0 });
    run(pump, 300);
    const waterKw = (998 * 9.81 * (value(pump, 'flow') / 3600) * value(pump, 'head')) / 1000;
    expect(waterKw / value(pump, 'power')).toBeGreaterThan(0.5);
    expect(waterKw / value(pump, 'power')).toBeLessThan(0.75);
  });

  it('stops when told to and counts the next start', () => {
    const pump = new PumpSkid({ seed: 1, anomalyEveryMs: 0 });
    run(pump, 30);
    const starts = value(pump, 'starts');
    pump.commands.run?.(false);
    run(pump, 30);
    expect(pump.values.running?.()).toBe(false);
    expect(value(pump, 'flow')).toBe(0);
    expect(value(pump, 'motor_current')).toBe(0);
    pump.commands.run?.(true);
    run(pump, 30);
    expect(value(pump, 'starts')).toBe(starts + 1);
  });

  it('refuses values outside its range', () => {
    const pump = new PumpSkid({ seed: 1 });
    expect(pump.commands.speed_setpoint?.(3001)).toBe(false);
    expect(pump.commands.speed_setpoint?.('fast')).toBe(false);
    expect(pump.commands.valve_setpoint?.(-1)).toBe(false);
    expect(pump.commands.run?.(1)).toBe(false);
    expect(value(pump, 'speed_setpoint')).toBe(2800);
  });

  it('keeps every value inside what its sensors can tell for a simulated day', () => {
    const pump = new PumpSkid({ seed: 11 });
    for (let minute = 0; minute < 24 * 60; minute++) {
      run(pump, 60);
      for (const name of ['flow', 'head', 'motor_current', 'power', 'vibration']) {
        expect(value(pump, name)).toBeGreaterThanOrEqual(0);
        expect(value(pump, name)).toBeLessThan(110);
      }
      expect(value(pump, 'tank_level')).toBeGreaterThan(2);
      expect(value(pump, 'tank_level')).toBeLessThan(101);
      expect(value(pump, 'bearing_temperature')).toBeLessThan(110);
    }
  });

  it('has cavitation and bearing damage now and then, visible in what it measures', () => {
    const pump = new PumpSkid({ seed: 7 });
    run(pump, 120);
    const quiet: number[] = [];
    const cavitating: number[] = [];
    let worn = 0;
    let trips = 0;
    for (let second = 0; second < 12 * 3600; second++) {
      run(pump, 1);
      const { cavitation, wear } = pump.condition;
      if (cavitation > 0.3) cavitating.push(value(pump, 'vibration'));
      else if (cavitation === 0 && wear < 0.1 && value(pump, 'speed') === 2800)
        quiet.push(value(pump, 'vibration'));
      worn = Math.max(worn, wear);
      if (value(pump, 'trip') !== 0) trips++;
    }
    const mean = (list: readonly number[]) => list.reduce((sum, each) => sum + each, 0) / list.length;
    expect(cavitating.length).toBeGreaterThan(300);
    expect(quiet.length).toBeGreaterThan(5 * cavitating.length);
    expect(mean(cavitating)).toBeGreaterThan(1.5 * mean(quiet));
    expect(worn).toBeGreaterThan(0.6);
    expect(trips).toBeGreaterThan(0);
    expect(pump.values.running?.()).toBe(true);
  });

  it('repeats itself exactly with the same seed, and differs with another', () => {
    const history = (seed: number) => {
      const pump = new PumpSkid({ seed });
      const rows: Record<string, Value>[] = [];
      for (let minute = 0; minute < 60; minute++) {
        run(pump, 60);
        rows.push(snapshot(pump));
      }
      return rows;
    };
    expect(history(5)).toEqual(history(5));
    expect(history(5)).not.toEqual(history(6));
  });
});
