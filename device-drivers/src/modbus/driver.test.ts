import type { PointId, Value } from '@millwright/protocol';
import { type DriverPeer, describeDriver } from '../testing/index.ts';
import { modbusDriver } from './index.ts';
import { freePort, ModbusPeer, modbusDevice, SerialGateway } from './test-peer.ts';

const ADDRESS: Readonly<Record<string, number>> = { flow: 10, setpoint: 20, tag: 30 };

for (const framing of ['tcp', 'rtuOverTcp', 'asciiOverTcp'] as const) {
  describeDriver({
    name: `modbus, ${framing}`,
    module: modbusDriver,
    points: { number: 'flow' as PointId, writable: 'setpoint' as PointId, spoilable: 'tag' as PointId },
    values: [12.5, -3.25],
    unplugs: true,
    reads: true,
    createPeer: async (): Promise<DriverPeer<'modbus'>> => {
      const device = await ModbusPeer.create();
      const gateway =
        framing === 'tcp'
          ? undefined
          : new SerialGateway(await freePort(), device.port, framing === 'rtuOverTcp' ? 'rtu' : 'ascii');
      const bytes = Buffer.from(device.holding.buffer);
      const at = (point: PointId) => ADDRESS[point] ?? 0;
      const swapped = (point: PointId, write: () => void) => {
        const registers = bytes.subarray(2 * at(point), 2 * at(point) + 4);
        write();
        registers.swap16();
      };
      const set = async (point: PointId, value: Value) => {
        if (point === 'tag') swapped(point, () => bytes.write(String(value).padEnd(4, '\0'), 2 * at(point)));
        else swapped(point, () => bytes.writeFloatBE(Number(value), 2 * at(point)));
      };
      await set('tag' as PointId, 'P-1');
      return {
        device: modbusDevice({
          id: 'pump',
          connect: {
            [framing]: `127.0.0.1:${gateway?.port ?? device.port}`,
            unit: 3,
            timeout: '300ms',
          },
          scans: { fast: '20ms', slow: '50ms' },
          defaults: { scan: 'fast' },
          points: {
            flow: { at: 10, as: 'float32' },
            setpoint: { at: 20, as: 'float32', write: {} },
            tag: { at: 30, as: 'text', length: 2, scan: 'slow' },
            running: { at: 3, table: 'coil', as: 'bool' },
          },
        }),
        start: async () => {
          await device.start();
          await gateway?.start();
        },
        stop: async () => {
          await gateway?.stop();
          await device.stop();
        },
        set,
        get: async (point) => {
          const copy = Buffer.from(bytes.subarray(2 * at(point), 2 * at(point) + 4)).swap16();
          return point === 'tag' ? copy.toString().replaceAll('\0', '') : copy.readFloatBE();
        },
        spoil: async (point) => {
          bytes[2 * at(point)] = 0xff;
        },
        connections: () => (gateway ?? device).connections(),
        dispose: async () => {
          await gateway?.stop();
          await device.stop();
        },
      };
    },
  });
}
