import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeviceSlug, PointId } from '@millwright/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Recorder } from '../testing/index.ts';
import { modbusDriver } from './index.ts';
import { modbusDevice } from './test-peer.ts';

/** A device made with pymodbus on a serial port: argv = port, framing. Holding register n holds 1000 + n. */
const SERVER = `
import sys
from pymodbus.server import StartSerialServer
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusSlaveContext, ModbusServerContext
from pymodbus.transaction import ModbusRtuFramer, ModbusAsciiFramer
block = ModbusSequentialDataBlock(0, [1000 + n for n in range(100)])
unit = ModbusSlaveContext(hr=block, co=ModbusSequentialDataBlock(0, [False] * 16), zero_mode=True)
framer = ModbusAsciiFramer if sys.argv[2] == 'ascii' else ModbusRtuFramer
print('ready', flush=True)
StartSerialServer(context=ModbusServerContext(slaves={7: unit}, single=False), framer=framer,
    port=sys.argv[1], baudrate=115200, parity='N', stopbits=1, bytesize=8, timeout=0.05)
`;

const PYTHON = '/usr/bin/python3';
const hasSocat = spawnSync('socat', ['-V']).status === 0;
const hasServer = existsSync(PYTHON) && spawnSync(PYTHON, ['-c', 'import pymodbus.server']).status === 0;
if (!hasSocat) console.warn('serial lines are not tested: socat (Debian: socat) is missing');
else if (!hasServer)
  console.warn('serial lines are not tested: Debian’s python3-pymodbus or python3-serial-asyncio is missing');

const patience = { timeout: 60_000, interval: 50 };
const slow = { timeout: 180_000 };
let folder: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millwright-serial-'));
});
afterEach(async () => {
  await Promise.all(children.splice(0).map(end));
  await rm(folder, { recursive: true, force: true });
});

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

/** A cable: what is sent into one end comes out at the other. */
async function cable(): Promise<{ readonly ours: string; readonly theirs: string; unplug(): Promise<void> }> {
  const ours = join(folder, 'ours');
  const theirs = join(folder, 'theirs');
  const child = spawn('socat', [`pty,raw,echo=0,link=${ours}`, `pty,raw,echo=0,link=${theirs}`]);
  children.push(child);
  await vi.waitFor(() => expect(existsSync(ours) && existsSync(theirs)).toBe(true), patience);
  return { ours, theirs, unplug: () => end(child) };
}

async function device(port: string, framing: 'rtu' | 'ascii'): Promise<void> {
  const child = spawn(PYTHON, ['-c', SERVER, port, framing], { stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(child);
  await new Promise((resolve) => child.stdout.once('data', resolve));
}

function driverOf(port: string, framing: 'rtu' | 'ascii') {
  const described = modbusDevice({
    id: 'meter',
    connect: {
      serial: port,
      framing,
      baud: 115_200,
      parity: 'none',
      dataBits: 8,
      stopBits: 1,
      unit: 7,
      timeout: '3s',
    },
    scans: { fast: '100ms' },
    points: { a: { at: 3, as: 'uint16' }, b: { at: 40, as: 'uint16', write: {} } },
  });
  const seen = new Recorder();
  const latest = () => [...described.numbers.values()].map((no) => seen.latest(no)?.v ?? null);
  return { driver: modbusDriver.create([described], seen.deps()), seen, latest };
}

describe.runIf(hasSocat && hasServer)('a device on a serial line', () => {
  it.each(['rtu', 'ascii'] as const)('is read and written in %s', slow, async (framing) => {
    const { ours, theirs } = await cable();
    await device(theirs, framing);
    const { driver, latest, seen } = driverOf(ours, framing);
    try {
      await driver.start();
      await expect.poll(latest, patience).toEqual([1003, 1040]);
      const { signal } = new AbortController();
      await driver.write('meter' as DeviceSlug, 'b' as PointId, 4711, { signal });
      await expect.poll(latest, patience).toEqual([1003, 4711]);
      expect(seen.samples.filter(({ q }) => q !== 'good')).toEqual([]);
    } finally {
      await driver.stop();
    }
  });

  it('is bad while the adapter is unplugged, and read again when it is back', slow, async () => {
    const first = await cable();
    await device(first.theirs, 'rtu');
    const { driver, latest, seen } = driverOf(first.ours, 'rtu');
    try {
      await driver.start();
      await expect.poll(latest, patience).toEqual([1003, 1040]);
      await first.unplug();
      await expect.poll(() => seen.history('meter' as DeviceSlug), patience).toEqual(['up', 'down']);
      await expect.poll(latest, patience).toEqual([null, null]);
      const second = await cable();
      await device(second.theirs, 'rtu');
      await expect.poll(latest, patience).toEqual([1003, 1040]);
      expect(seen.history('meter' as DeviceSlug)).toEqual(['up', 'down', 'up']);
    } finally {
      await driver.stop();
    }
  });
});

describe('a serial port', () => {
  it('that is not there is a state with a reason, not an error', slow, async () => {
    const { driver, seen } = driverOf(join(folder, 'none'), 'rtu');
    await driver.start();
    await expect.poll(() => seen.history('meter' as DeviceSlug), patience).toEqual(['down']);
    expect(seen.states[0]?.state).toMatchObject({ online: false });
    expect(JSON.stringify(seen.states[0]?.state)).toContain('cannot open');
    await driver.stop();
  });

  it('cannot be two things at once', () => {
    const onPort = (id: string, baud: number) =>
      modbusDevice({ id, connect: { serial: '/dev/ttyX', baud }, points: { a: { at: 0, as: 'uint16' } } });
    expect(() =>
      modbusDriver.create([onPort('one', 9600), onPort('two', 19_200)], new Recorder().deps()),
    ).toThrow('two: /dev/ttyX is rtu 9600 8E1 for "one" and rtu 19200 8E1 here');
  });
});
