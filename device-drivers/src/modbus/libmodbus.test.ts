import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { DeviceSlug, PointId } from '@millwright/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { Recorder } from '../testing/index.ts';
import { modbusDriver } from './index.ts';
import { modbusDevice } from './test-peer.ts';

/** A server of libmodbus through Python's foreign functions: 100 of each, prints its port, serves one client. */
const SERVER = `
import ctypes, socket, sys
lib = ctypes.CDLL('libmodbus.so.5')
lib.modbus_new_tcp.restype = ctypes.c_void_p
class Map(ctypes.Structure):
    _fields_ = [(n, ctypes.c_int) for n in 'a b c d e f g h'.split()] + [
        ('bits', ctypes.POINTER(ctypes.c_uint8)), ('input_bits', ctypes.POINTER(ctypes.c_uint8)),
        ('inputs', ctypes.POINTER(ctypes.c_uint16)), ('registers', ctypes.POINTER(ctypes.c_uint16))]
lib.modbus_mapping_new.restype = ctypes.POINTER(Map)
table = lib.modbus_mapping_new(100, 100, 100, 100)
context = ctypes.c_void_p(lib.modbus_new_tcp(b'127.0.0.1', 0))
table.contents.registers[10] = 0x4148  # 12.5 as ABCD
table.contents.registers[21] = 0x40bf  # -0.75 as DCBA
table.contents.inputs[5] = 65535
table.contents.input_bits[7] = 1
listening = lib.modbus_tcp_listen(context, 1)
held = socket.socket(fileno=listening)
print(held.getsockname()[1], flush=True)
peer = ctypes.c_int(listening)
lib.modbus_tcp_accept(context, ctypes.byref(peer))
query = (ctypes.c_uint8 * 260)()
while True:
    got = lib.modbus_receive(context, query)
    if got == -1: sys.exit(0)
    lib.modbus_reply(context, query, got, table)
`;

const probe = spawnSync('python3', ['-c', "import ctypes; ctypes.CDLL('libmodbus.so.5')"]);
const isInstalled = probe.status === 0;
if (!isInstalled)
  console.warn('libmodbus is not tested: python3 or libmodbus.so.5 (Debian: libmodbus5) is missing');

let server: ChildProcessByStdio<null, Readable, null> | undefined;
afterEach(() => {
  server?.kill('SIGKILL');
});

describe.runIf(isInstalled)('a device made with libmodbus', () => {
  it('is read and written in every table', async () => {
    server = spawn('python3', ['-c', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await new Promise<Buffer[]>((resolve) =>
      server?.stdout.once('data', (...data) => resolve(data)),
    );
    const device = modbusDevice({
      id: 'lib',
      connect: { tcp: `127.0.0.1:${String(line).trim()}`, unit: 1 },
      scans: { fast: '50ms' },
      points: {
        abcd: { at: 10, as: 'float32', write: {} },
        dcba: { at: 20, as: 'float32', order: 'DCBA' },
        input: { table: 'input', at: 5, as: 'uint16' },
        contact: { table: 'discrete', at: 7, as: 'bool' },
        coil: { table: 'coil', at: 3, as: 'bool', write: {} },
        count: { at: 90, as: 'uint16', write: {} },
        beyond: { at: 100, as: 'uint16' },
      },
    });
    const seen = new Recorder();
    const driver = modbusDriver.create([device], seen.deps());
    try {
      await driver.start();
      const latest = () =>
        [...device.numbers.values()].map((no) => seen.latest(no)).map((s) => s?.v ?? s?.why);
      await expect.poll(latest).toEqual([12.5, -0.75, 65535, true, false, 0, 'illegal-address']);
      const { signal } = new AbortController();
      const write = (point: string, value: number | boolean) =>
        driver.write('lib' as DeviceSlug, point as PointId, value, { signal });
      await write('abcd', 99.25);
      await write('coil', true);
      await write('count', 4711);
      await expect.poll(latest).toEqual([99.25, -0.75, 65535, true, true, 4711, 'illegal-address']);
      expect(seen.history('lib' as DeviceSlug)).toEqual(['up']);
    } finally {
      await driver.stop();
    }
  });
});
