import type { DeviceSlug, PointId, Value } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { afterEach } from 'vitest';
import { Recorder } from '../testing/index.ts';
import { ModbusLine, type ModbusLineConfig, type ModbusLineDeps } from './line.ts';
import { MemoryBus } from './memory-bus.ts';
import { modbusDevice } from './test-peer.ts';

export const never = new AbortController().signal;
export const slug = (name: string) => name as DeviceSlug;
export const id = (name: string) => name as PointId;

/** Unit `unit` as device `u<unit>` with the given points, or one register at each address. */
export const device = (
  unit: number,
  addresses: readonly number[] | Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, unknown>> = {},
) =>
  modbusDevice(
    {
      id: `u${unit}`,
      connect: { tcp: '127.0.0.1:502', unit, timeout: '1s' },
      scans: { fast: '1s' },
      points: Array.isArray(addresses)
        ? Object.fromEntries(addresses.map((at) => [`p${at}`, { at, as: 'uint16', write: {} }]))
        : addresses,
      ...more,
    },
    unit * 100,
  );

/** Neighbours stay apart: one request per address. */
export const unmerged = { merge: { maxGap: 0, maxRegisters: 1 } };

let stop: () => Promise<void> = async () => undefined;
afterEach(() => stop());

/** A line on a still clock and a bus in memory, stopped after the test. */
export function lineOf(
  devices: ReturnType<typeof device>[],
  hasTransactionIds = true,
  more: { readonly deps?: Partial<ModbusLineDeps>; readonly config?: Partial<ModbusLineConfig> } = {},
) {
  const clock = new MemoryClock();
  const bus = new MemoryBus({ clock });
  const seen = new Recorder();
  const logger = new MemoryLogger();
  const deps = { ...seen.deps(), clock, logger, bus, random: () => 0.5 };
  const line = new ModbusLine(
    devices,
    { ...deps, ...more.deps },
    { line: 'memory', hasTransactionIds, isDepthAuto: true, ...more.config },
  );
  // Stopping waits for the request in flight, which waits for the clock.
  stop = () => line.stop();
  const latest = (unit: number, index = 0) =>
    seen.samples.findLast(({ point }) => point === unit * 100 + index);
  const write = (unit: number, point: string, value: Value, signal = never) =>
    line.write(slug(`u${unit}`), id(point), value, { signal });
  const read = (unit: number, point: string, signal = never) =>
    line.read(slug(`u${unit}`), id(point), { signal });
  return {
    clock,
    bus,
    seen,
    line,
    logger,
    latest,
    write,
    read,
    history: (unit: number) => seen.history(slug(`u${unit}`)),
  };
}
