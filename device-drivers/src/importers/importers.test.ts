import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DeviceSpec, resolveSite } from '@millwright/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { importDevices, type Source } from './index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millwright-import-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Imports, then reads the site file as a gateway would. */
async function imported(
  source: Source,
  files: Readonly<Record<string, unknown>>,
): Promise<{ devices: DeviceSpec[]; lost: readonly string[]; site: string }> {
  const paths = Object.entries(files).map(([name, content]) => {
    const path = join(folder, name);
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  });
  const { lost, site } = await importDevices(source, paths);
  return { lost, site, devices: resolveSite({ site: { name: 'site.yaml', text: site }, types: [] }) };
}

describe('devices of Neuron', () => {
  const tag = (name: string, address: string, type: number, more: object = {}) => ({
    ...{ name, address, type, attribute: 1, description: '', decimal: 0, bias: 0 },
    ...more,
  });
  const node = (tags: readonly object[], more: object = {}) => ({
    name: 'Hall 3 meter',
    plugin: 'Modbus TCP',
    params: { connection_mode: 0, host: '10.0.4.7', port: 502, timeout: 3000 },
    groups: [{ group: 'fast', interval: 500, tags }],
    ...more,
  });

  it('are a device for each unit, with addresses as on the wire', async () => {
    const { devices, lost } = await imported('neuron', {
      'neuron.json': {
        nodes: [
          node([
            tag('power', '1!400001#BL', 9, { decimal: 0.1, description: 'active power' }),
            tag('limit', '1!400101', 4, { attribute: 3 }),
            tag('breaker', '1!000004', 11),
            tag('fault', '1!300010.4', 11),
            tag('serial number', '1!400201.10H', 13),
            tag('temperature', '2!300001', 3, { bias: -40 }),
          ]),
        ],
      },
    });
    expect(lost).toEqual([]);
    expect(devices.map(({ id }) => id)).toEqual(['hall-3-meter-1', 'hall-3-meter-2']);
    expect(devices[0]).toMatchObject({
      connect: { tcp: '10.0.4.7:502', unit: 1, timeout: 3000 },
      points: {
        power: { table: 'holding', at: 0, as: 'float32', order: 'CDAB', scale: 0.1, label: 'active power' },
        limit: { table: 'holding', at: 100, as: 'uint16', write: { role: 'operator' } },
        breaker: { table: 'coil', at: 3, as: 'bool' },
        fault: { table: 'input', at: 9, as: 'bool', bit: 4 },
        serial_number: { table: 'holding', at: 200, as: 'text', length: 5 },
      },
    });
    expect(devices[1]).toMatchObject({ connect: { unit: 2 }, points: { temperature: { offset: -40 } } });
  });

  it('lose what cannot be had here, and say so in the file', async () => {
    const { devices, lost, site } = await imported('neuron', {
      'neuron.json': {
        nodes: [
          node([
            tag('text', '1!400001.6D', 13),
            tag('list', '1!400010', 25),
            tag('odd', 'DB1.DBW2', 3),
            tag('good', '1!400020', 3),
          ]),
          node([], { name: 'press', plugin: 'Siemens S7 ISOTCP' }),
          node([], { name: 'modem', params: { connection_mode: 1, host: '0.0.0.0' } }),
        ],
      },
    });
    expect(devices.map(({ points }) => Object.keys(points))).toEqual([['good']]);
    expect(lost).toHaveLength(5);
    expect(lost.join('\n')).toMatch(/text: left out: order[\s\S]*list: left out: as[\s\S]*"DB1.DBW2"/);
    for (const line of lost) expect(site).toContain(`# - ${line}`);
  });
});

describe('devices of the ThingsBoard gateway', () => {
  const slave = (more: object) => ({
    ...{ host: '127.0.0.1', port: 5021, type: 'tcp', method: 'socket', unitId: 3, deviceName: 'Press' },
    ...{ byteOrder: 'BIG', wordOrder: 'LITTLE', pollPeriod: 1000, timeout: 35 },
    ...more,
  });
  const value = (tag: string, type: string, functionCode: number, address: number, more: object = {}) => ({
    ...{ tag, type, functionCode, address, objectsCount: 1 },
    ...more,
  });

  it('can be read and written as there', async () => {
    const { devices, lost } = await imported('thingsboard', {
      'modbus.json': {
        master: {
          slaves: [
            slave({
              timeseries: [
                value('temperature', '16int', 3, 0, { divider: 10 }),
                value('energy', '32uint', 4, 8, { objectsCount: 2 }),
                value('relay', 'bits', 1, 1),
              ],
              attributes: [value('model', 'string', 3, 20, { objectsCount: 4 })],
              attributeUpdates: [value('relay', 'bits', 5, 1)],
              rpc: [value('getRelay', 'bits', 1, 1), value('reset', '16int', 6, 99)],
            }),
          ],
        },
      },
    });
    expect(devices).toMatchObject([
      {
        id: 'press',
        connect: { tcp: '127.0.0.1:5021', unit: 3, timeout: 35_000 },
        points: {
          temperature: { table: 'holding', at: 0, as: 'int16', scale: 0.1, order: 'ABCD' },
          energy: { table: 'input', at: 8, as: 'uint32', order: 'CDAB' },
          relay: { table: 'coil', at: 1, as: 'bool', write: { role: 'operator' } },
          model: { as: 'text', length: 4 },
        },
      },
    ]);
    expect(lost).toEqual(['Press: reset: writes holding 99, which nothing reads back']);
  });

  it('keep their serial line', async () => {
    const line = { type: 'serial', method: 'ascii', port: '/dev/ttyS1', baudrate: 9600, parity: 'E' };
    const { devices } = await imported('thingsboard', {
      'modbus.json': { master: { slaves: [slave({ ...line, timeseries: [value('t', '16int', 3, 0)] })] } },
    });
    expect(devices[0]?.connect).toMatchObject({
      ...{ serial: '/dev/ttyS1', framing: 'ascii', baud: 9600, parity: 'even' },
    });
  });
});

describe('devices of EdgeX', () => {
  const profile = `
name: CoolMaster
deviceResources:
  - name: OperationMode
    description: what it does
    attributes: { primaryTable: HOLDING_REGISTERS, startingAddress: 1 }
    properties: { valueType: Int16, readWrite: RW, minimum: 0, maximum: 3 }
  - name: Failure
    attributes: { primaryTable: HOLDING_REGISTERS, startingAddress: "10.10" }
    properties: { valueType: Bool, readWrite: R }
  - name: RoomTemperature
    attributes: { primaryTable: INPUT_REGISTERS, startingAddress: 3, rawType: Int16 }
    properties: { valueType: Float32, readWrite: R, scale: 0.1, units: "°C" }
  - name: Energy
    attributes: { primaryTable: INPUT_REGISTERS, startingAddress: 8, isWordSwap: true }
    properties: { valueType: Uint32, readWrite: R, units: furlongs }
deviceCommands:
  - name: Values
    readWrite: RW
    resourceOperations:
      - { deviceResource: OperationMode, mappings: { "0": Cool, "1": Heat } }
`;
  const devices = `
deviceList:
  - name: Room unit 1
    profileName: CoolMaster
    protocols: { modbus-tcp: { Address: 10.0.0.9, Port: "502", UnitID: "4", Timeout: "5" } }
    autoEvents:
      - { interval: 20s, onChange: false, sourceName: Values }
  - name: Room unit 2
    profileName: Other
    protocols: { modbus-tcp: { Address: 10.0.0.10 } }
`;

  it('are profile and list put together', async () => {
    const { devices: found, lost } = await imported('edgex', {
      'profile.yaml': profile,
      'devices.yaml': devices,
    });
    expect(found).toMatchObject([
      {
        id: 'room-unit-1',
        connect: { tcp: '10.0.0.9:502', unit: 4, timeout: 5000 },
        points: {
          OperationMode: { at: 1, as: 'int16', write: { range: [0, 3] }, enum: { 0: 'Cool', 1: 'Heat' } },
          Failure: { at: 10, as: 'bool', bit: 10 },
          RoomTemperature: { table: 'input', at: 3, as: 'int16', scale: 0.1, unit: 'Cel' },
          Energy: { as: 'uint32', order: 'CDAB' },
        },
      },
    ]);
    expect(lost).toEqual([
      'Room unit 1: Energy: "furlongs" is no UCUM unit; the point has none now',
      'Room unit 2: nothing of it: its profile "Other" is missing',
    ]);
  });

  it('need their list', async () => {
    const { lost } = await imported('edgex', { 'profile.yaml': profile });
    expect(lost).toEqual(['no device: hand in the device list beside the profile']);
  });
});

describe('a file that cannot be imported', () => {
  it.each<[source: Source, content: unknown, message: string]>([
    ['neuron', '{ nodes: [', 'no JSON or YAML'],
    ['neuron', { tags: [] }, 'nodes:'],
    ['thingsboard', { master: {} }, 'master.slaves:'],
    ['edgex', 'deviceList: nothing', 'deviceList:'],
  ])('of %s is refused by name: %j', async (source, content, message) => {
    await expect(imported(source, { 'wrong.yaml': content })).rejects.toThrow(
      expect.objectContaining({ code: 'IMPORT_INVALID', message: expect.stringContaining(message) }),
    );
  });

  it('is told apart from one that is not there', async () => {
    await expect(importDevices('neuron', [join(folder, 'none.json')])).rejects.toThrow('cannot read');
  });
});
