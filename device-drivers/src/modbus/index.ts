import type { DeviceSpecOf } from '@millwright/protocol';
import type { DriverModule } from '../driver.ts';
import { ModbusLine } from './line.ts';
import { type Endpoint, TcpBus } from './tcp-bus.ts';

/** Modbus/TCP and RTU over TCP. One line = one connection; every device behind it has its unit. */
export const modbusDriver: DriverModule<'modbus'> = {
  driver: 'modbus',
  lineOf(spec) {
    const { host, port, framing } = endpointOf(spec);
    return `${framing}://${host}:${port}`;
  },
  create(devices, deps) {
    const [first] = devices;
    const endpoint: Endpoint =
      first === undefined ? { host: 'localhost', port: 502, framing: 'tcp' } : endpointOf(first.spec);
    return new ModbusLine(devices, {
      ...deps,
      bus: new TcpBus({ endpoint, clock: deps.clock }),
      hasTransactionIds: endpoint.framing === 'tcp',
    });
  },
};

function endpointOf({ connect }: DeviceSpecOf<'modbus'>): Endpoint {
  const framing = connect.tcp === undefined ? 'rtuOverTcp' : 'tcp';
  const address = connect.tcp ?? connect.rtuOverTcp ?? '';
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  return { host, port: Number(address.slice(colon + 1)), framing };
}
