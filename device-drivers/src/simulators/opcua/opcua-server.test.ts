import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PointId } from '@millwright/protocol';
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import {
  AttributeIds,
  type ClientSession,
  DataType,
  OPCUAClient,
  StatusCodes,
  Variant,
} from 'node-opcua-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AirHandler } from '../machines/air-handler.ts';
import { shippedType } from '../shipped-types.ts';
import { OpcuaMachineServer } from './opcua-server.ts';

describe('simulated OPC UA device', () => {
  const machine = new AirHandler({ seed: 1, startMs: 0 });
  let folder: string;
  let server: OpcuaMachineServer;
  let client: OPCUAClient;
  let session: ClientSession;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millwright-opcua-test-'));
    const type = await shippedType('air-handler@1', 'opcua');
    server = new OpcuaMachineServer({ machine, type }, { host: '127.0.0.1', port: 0 });
    await server.start();
    client = OPCUAClient.create({
      endpointMustExist: false,
      connectionStrategy: { maxRetry: 1 },
      clientCertificateManager: new OPCUACertificateManager({ rootFolder: folder }),
    });
    await client.connect(`opc.tcp://127.0.0.1:${server.port}/`);
    session = await client.createSession();
  }, 60_000);

  afterAll(async () => {
    await session?.close();
    await client?.disconnect();
    await server?.stop();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  const read = async (node: string) => {
    const { statusCode, value } = await session.read({
      nodeId: `ns=1;s=AirHandler.${node}`,
      attributeId: AttributeIds.Value,
    });
    expect(statusCode).toBe(StatusCodes.Good);
    return value.value;
  };
  const write = (node: string, dataType: DataType, value: unknown) =>
    session.write({
      nodeId: `ns=1;s=AirHandler.${node}`,
      attributeId: AttributeIds.Value,
      value: { value: new Variant({ dataType, value }) },
    });

  it('shows what the machine has, under the node ids of its type', async () => {
    for (let i = 0; i < 600; i++) machine.step();
    expect(await read('SupplyTemperature')).toBe(machine.values.supply_temperature?.());
    expect(await read('FanSpeed')).toBeGreaterThan(10);
    expect(await read('Mode')).toBe(1);
    for (const name of Object.keys((await shippedType('air-handler@1', 'opcua')).points)) {
      const node = name.replace(/(^|_)(\w)/g, (_whole, _gap, letter: string) => letter.toUpperCase());
      expect(await read(node)).toBeTypeOf('number');
    }
  });

  it('takes a write in range and refuses others', async () => {
    expect(await write('SupplySetpoint', DataType.Double, 21.5)).toBe(StatusCodes.Good);
    expect(machine.values.supply_setpoint?.()).toBe(21.5);
    expect(await read('SupplySetpoint')).toBe(21.5);
    expect(await write('SupplySetpoint', DataType.Double, 60)).toBe(StatusCodes.BadOutOfRange);
    expect(await write('Mode', DataType.Int32, 2)).toBe(StatusCodes.Good);
    expect(machine.values.mode?.()).toBe(2n);
    expect(await write('SupplyTemperature', DataType.Double, 20)).toBe(StatusCodes.BadNotWritable);
  });

  it('has a method for each action of its type, which commands the machine', async () => {
    const shipped = await shippedType('air-handler@1', 'opcua');
    const name = PointId.parse('supply_setpoint');
    const setpoint = shipped.points[name];
    if (setpoint === undefined) throw new RangeError('the type has no set point');
    const call = { on: 'ns=1;s=Panel' };
    const points = { ...shipped.points, [name]: { ...setpoint, node: 'ns=1;s=Panel.Set', call } };
    const acting = new OpcuaMachineServer(
      { machine, type: { ...shipped, points } },
      { host: '127.0.0.1', port: 0 },
    );
    await acting.start();
    const other = OPCUAClient.create({
      ...{ endpointMustExist: false, connectionStrategy: { maxRetry: 1 } },
      clientCertificateManager: new OPCUACertificateManager({ rootFolder: folder }),
    });
    await other.connect(`opc.tcp://127.0.0.1:${acting.port}/`);
    const called = await other.createSession();
    const set = (value: number) =>
      called.call({
        objectId: call.on,
        methodId: 'ns=1;s=Panel.Set',
        inputArguments: [{ dataType: DataType.Double, value }],
      });
    expect((await set(20.5)).statusCode).toBe(StatusCodes.Good);
    expect(machine.values.supply_setpoint?.()).toBe(20.5);
    expect((await set(60)).statusCode).toBe(StatusCodes.BadOutOfRange);
    await called.close();
    await other.disconnect();
    await acting.stop();
  }, 60_000);

  it('says which port is taken', async () => {
    const type = await shippedType('air-handler@1', 'opcua');
    const second = new OpcuaMachineServer({ machine, type }, { host: '127.0.0.1', port: server.port });
    await expect(second.start()).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  }, 60_000);
});
