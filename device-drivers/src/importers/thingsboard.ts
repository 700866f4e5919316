import { z } from 'zod';
import { DeviceIds, type Imported, type ImportedDevice, PointCollector } from './imported.ts';

/**
 * The Modbus connector file of the ThingsBoard IoT gateway.
 * @see https://thingsboard.io/docs/iot-gateway/config/modbus/
 */
const Value = z.object({
  tag: z.string(),
  type: z.string(),
  functionCode: z.number(),
  objectsCount: z.number().default(1),
  address: z.number(),
  multiplier: z.number().optional(),
  divider: z.number().optional(),
});
const values = z.array(Value).default([]);
const Slave = z.object({
  host: z.string().optional(),
  port: z.union([z.number(), z.string()]).default(502),
  type: z.string().default('tcp'),
  method: z.string().default('socket'),
  baudrate: z.number().optional(),
  parity: z.string().optional(),
  stopbits: z.number().optional(),
  bytesize: z.number().optional(),
  unitId: z.number().default(1),
  deviceName: z.string(),
  timeout: z.number().optional(),
  byteOrder: z.string().default('LITTLE'),
  wordOrder: z.string().default('LITTLE'),
  pollPeriod: z.number().default(5000),
  attributes: values,
  timeseries: values,
  attributeUpdates: values,
  rpc: z.union([values, z.record(z.string(), z.unknown())]).default([]),
});
export const ThingsBoardModbus = z.object({
  master: z.object({ slaves: z.array(Slave) }),
  slave: z.unknown().optional(),
});

const TABLES: Readonly<Record<number, string>> = {
  ...{ 1: 'coil', 2: 'discrete', 3: 'holding', 4: 'input' },
  ...{ 5: 'coil', 6: 'holding', 15: 'coil', 16: 'holding' },
};
const PARITIES: Readonly<Record<string, string>> = { N: 'none', E: 'even', O: 'odd' };
const SCAN = 'poll';

export function importThingsBoard(connector: z.infer<typeof ThingsBoardModbus>): Imported {
  const lost: string[] = [];
  const ids = new DeviceIds();
  const devices = connector.master.slaves.flatMap((slave) => {
    const connect = connectOf(slave, lost);
    return connect === undefined ? [] : [deviceOf(slave, connect, ids, lost)];
  });
  if (connector.slave !== undefined) lost.push('slave: the gateway as a Modbus server of its own');
  return { devices, lost };
}

function deviceOf(
  slave: z.infer<typeof Slave>,
  connect: Record<string, unknown>,
  ids: DeviceIds,
  lost: string[],
): ImportedDevice {
  const points = new PointCollector(slave.deviceName, lost);
  for (const value of [...slave.timeseries, ...slave.attributes])
    points.add(value.tag, pointOf(value, slave));
  const writes = [...slave.attributeUpdates, ...(Array.isArray(slave.rpc) ? slave.rpc : [])];
  if (!Array.isArray(slave.rpc)) points.lose('rpc', 'calls in the old form');
  for (const value of writes) {
    const table = TABLES[value.functionCode];
    const isWrite = value.functionCode === 5 || value.functionCode === 6 || value.functionCode > 14;
    // A call that reads is what reading the point is.
    if (!isWrite || table === undefined || points.makeWritable(table, value.address, {})) continue;
    points.lose(value.tag, `writes ${table} ${value.address}, which nothing reads back`);
  }
  return {
    ...{ id: ids.take(slave.deviceName), name: slave.deviceName, driver: 'modbus', connect },
    ...{ scans: { [SCAN]: `${slave.pollPeriod}ms` }, points: points.points },
  };
}

function connectOf(slave: z.infer<typeof Slave>, lost: string[]): Record<string, unknown> | undefined {
  const timeout = slave.timeout === undefined ? {} : { timeout: `${slave.timeout}s` };
  const shared = { unit: slave.unitId, ...timeout };
  const framing = slave.method === 'ascii' ? 'ascii' : 'rtu';
  if (slave.type === 'serial') {
    return {
      serial: String(slave.port),
      ...(framing === 'ascii' ? { framing } : {}),
      ...(slave.baudrate === undefined ? {} : { baud: slave.baudrate }),
      ...(slave.parity === undefined ? {} : { parity: PARITIES[slave.parity] ?? slave.parity }),
      ...(slave.stopbits === undefined ? {} : { stopBits: slave.stopbits }),
      ...(slave.bytesize === undefined ? {} : { dataBits: slave.bytesize }),
      ...shared,
    };
  }
  if (slave.type !== 'tcp' || slave.host === undefined) {
    lost.push(`${slave.deviceName}: nothing of it: it is reached by "${slave.type}"`);
    return undefined;
  }
  const way = slave.method === 'socket' ? 'tcp' : framing === 'ascii' ? 'asciiOverTcp' : 'rtuOverTcp';
  return { [way]: `${slave.host}:${slave.port}`, ...shared };
}

function pointOf(value: z.infer<typeof Value>, slave: z.infer<typeof Slave>): Record<string, unknown> {
  const table = TABLES[value.functionCode];
  const as = encodingOf(value);
  const scale = (value.multiplier ?? 1) / (value.divider ?? 1);
  const isSingle = as === 'bool' || value.objectsCount === 1;
  return {
    ...{ table, at: value.address, as, scan: SCAN },
    length: as === 'text' ? value.objectsCount : undefined,
    order: as === 'bool' ? undefined : orderOf(slave, isSingle),
    bit: as === 'bool' && (table === 'holding' || table === 'input') ? 0 : undefined,
    scale: scale === 1 || as === 'bool' || as === 'text' ? undefined : scale,
  };
}

function encodingOf({ type, objectsCount }: z.infer<typeof Value>): string {
  if (type === 'bits' || type === 'bit')
    return objectsCount === 1 ? 'bool' : `${type} with objectsCount ${objectsCount}`;
  if (type === 'string') return 'text';
  const [, width, kind] = /^(\d+)(int|uint|float)$/.exec(type) ?? [];
  return width === undefined ? type : `${kind}${width}`;
}

/** The order of bytes in a register, and of registers: what is one register has no order of registers. */
function orderOf({ byteOrder, wordOrder }: z.infer<typeof Slave>, isSingle: boolean): string | undefined {
  const swapsBytes = byteOrder.toUpperCase() === 'LITTLE';
  const swapsWords = !isSingle && wordOrder.toUpperCase() === 'LITTLE';
  if (swapsBytes) return swapsWords ? 'DCBA' : 'BADC';
  return swapsWords ? 'CDAB' : undefined;
}
