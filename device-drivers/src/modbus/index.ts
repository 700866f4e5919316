import type { DriverModule } from '../driver.ts';
import { createBus, endpointOf, lineOf } from './endpoint.ts';
import { ModbusLine } from './line.ts';
import { planOf } from './plan-of.ts';
import { discoverSunSpec } from './sunspec/discover.ts';

/** Modbus over TCP, RTU and ASCII. One line = one connection or serial port; every device behind it has its unit. */
export const modbusDriver: DriverModule<'modbus'> = {
  driver: 'modbus',
  lineOf,
  plan: planOf,
  discover: discoverSunSpec,
  create(devices, deps) {
    const endpoint = endpointOf(devices.map(({ spec }) => spec));
    const [first] = devices;
    return new ModbusLine(
      devices,
      { ...deps, bus: createBus(endpoint, deps) },
      {
        line: first === undefined ? '' : lineOf(first.spec),
        hasTransactionIds: endpoint.kind === 'tcp',
        isDepthAuto: endpoint.kind !== 'tcp' || endpoint.pipeline === 'auto',
      },
    );
  },
};
