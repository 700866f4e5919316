import { once } from 'node:events';
import { connect } from 'node:net';
import { DeviceType, type Value } from '@millwright/protocol';
import { MemoryClock } from '@millwright/protocol/testing';
import modbusSerial from 'modbus-serial';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Machine, MachineRun } from '../machine.ts';
import { PumpSkid } from '../machines/pump-skid.ts';
import { type DeviceTypeOf, shippedType } from '../shipped-types.ts';
import { ModbusServer } from './modbus-server.ts';
import { RegisterImage } from './register-image.ts';

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const each of cleanUp.splice(0).reverse()) await each();
});

/** One point of each encoding and order, and a machine that keeps what is written. */
function workbench() {
  const type = DeviceType.parse({
    type: 'bench@1',
    driver: 'modbus',
    points: {
      f: { at: 0, as: 'float32', order: 'CDAB' },
      d: { at: 2, as: 'float64', order: 'DCBA' },
      u: { at: 6, as: 'uint64' },
      i: { at: 10, as: 'int16', scale: 0.1, offset: -5 },
      n: { at: 11, as: 'uint32', order: 'BADC' },
      text: { at: 13, as: 'text', length: 4 },
      last: { at: 20, as: 'uint16' },
      coil: { table: 'coil', at: 3, as: 'bool' },
      read_only: { table: 'coil', at: 4, as: 'bool' },
      switch: { table: 'discrete', at: 1, as: 'bool' },
    },
  }) as DeviceTypeOf<'modbus'>;
  const values: Record<string, Value> = {
    f: 21.5,
    d: Math.PI,
    u: 18_446_744_073_709_551_615n,
    i: -7.5,
    n: 305_419_896,
    text: 'pump',
    last: 7,
    coil: true,
    read_only: false,
    switch: true,
  };
  const machine: Machine = {
    step: () => undefined,
    values: Object.fromEntries(Object.keys(values).map((name) => [name, () => values[name] ?? null])),
    commands: Object.fromEntries(
      ['f', 'd', 'u', 'i', 'n', 'text', 'coil'].map((name) => [
        name,
        (value: Value) => {
          if (value === 13 || value === 'unlucky') return false;
          values[name] = value;
          return true;
        },
      ]),
    ),
  };
  return { type, machine, values };
}

async function served(rtuOverTcp = false) {
  const bench = workbench();
  const image = new RegisterImage(bench.type, bench.machine);
  const server = new ModbusServer({ image }, { host: '127.0.0.1', port: 0, rtuOverTcp });
  await server.start();
  cleanUp.push(() => server.stop());
  const client = new modbusSerial.default();
  client.setTimeout(2000);
  if (rtuOverTcp) await client.connectTelnet('127.0.0.1', { port: server.port });
  else await client.connectTCP('127.0.0.1', { port: server.port });
  cleanUp.push(async () => client.close(() => undefined));
  client.setID(1);
  return { ...bench, server, image, client };
}

describe.each([
  ['Modbus/TCP', false],
  ['RTU over TCP', true],
])('simulated device on %s', (_name, rtuOverTcp) => {
  it('shows every encoding as a client with its own decoder reads it', async () => {
    const { client } = await served(rtuOverTcp);
    const { buffer } = await client.readHoldingRegisters(0, 21);
    const swapped = (at: number, words: number) => {
      const bytes = Buffer.from(buffer.subarray(2 * at, 2 * (at + words)));
      return Buffer.concat(
        Array.from({ length: words }, (_, i) =>
          bytes.subarray(bytes.length - 2 * i - 2, bytes.length - 2 * i),
        ),
      );
    };
    expect(swapped(0, 2).readFloatBE()).toBe(21.5);
    expect(Buffer.from(buffer.subarray(4, 12)).readDoubleLE()).toBe(Math.PI);
    expect(buffer.readBigUInt64BE(12)).toBe(18_446_744_073_709_551_615n);
    expect(buffer.readInt16BE(20)).toBe(-25);
    expect(Buffer.from(buffer.subarray(22, 26)).swap16().readUInt32BE()).toBe(305_419_896);
    expect(buffer.subarray(26, 34).toString()).toBe('pump\0\0\0\0');
    expect(buffer.readUInt16BE(40)).toBe(7);
    expect((await client.readCoils(3, 2)).data.slice(0, 2)).toEqual([true, false]);
    expect((await client.readDiscreteInputs(1, 1)).data[0]).toBe(true);
  });

  it('takes written values, whole or in part, and coils', async () => {
    const { client, values } = await served(rtuOverTcp);
    const float = Buffer.alloc(4);
    float.writeFloatBE(-3.25);
    await client.writeRegisters(0, [float.readUInt16BE(2), float.readUInt16BE(0)]);
    expect(values.f).toBe(-3.25);
    await client.writeRegister(10, 125);
    expect(values.i).toBe(7.5);
    await client.writeRegister(11, 0);
    expect(values.n).toBe(0x5678);
    await client.writeCoil(3, false);
    expect(values.coil).toBe(false);
    expect((await client.readCoils(3, 1)).data[0]).toBe(false);
  });

  it('answers with the exception the standard has for it', async () => {
    const { client, values } = await served(rtuOverTcp);
    const refused = (promise: Promise<unknown>, code: number) =>
      expect(promise).rejects.toMatchObject({ modbusCode: code });
    await refused(client.readHoldingRegisters(20, 2), 2);
    await refused(client.readInputRegisters(0, 1), 2);
    await refused(client.writeRegister(20, 1), 2);
    await refused(client.writeRegister(17, 1), 2);
    await refused(client.writeCoil(4, true), 2);
    await refused(client.writeRegister(10, 180), 3);
    expect(values).toMatchObject({ i: -7.5, last: 7 });
  });
});

describe('modbus simulator', () => {
  it('says which port is taken and how to take another', async () => {
    const { server, image } = await served();
    const second = new ModbusServer({ image }, { host: '127.0.0.1', port: server.port });
    await expect(second.start()).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: `port ${server.port} on 127.0.0.1 is in use`,
      hint: expect.stringContaining('--port'),
    });
    const third = new ModbusServer({ image }, { host: '127.0.0.1', port: server.port, rtuOverTcp: true });
    await expect(third.start()).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    await second.stop();
    await third.stop();
  });

  it('leaves a damaged RTU frame without an answer and understands the next', async () => {
    const { server } = await served(true);
    const socket = connect(server.port, '127.0.0.1');
    await once(socket, 'connect');
    cleanUp.push(async () => {
      socket.destroy();
    });
    const answers: Buffer[] = [];
    socket.on('data', (bytes) => answers.push(bytes));
    const damaged = Buffer.from('010300140001c5cf', 'hex');
    socket.write(damaged);
    socket.write(Buffer.from('010300140001c40e', 'hex'));
    await vi.waitFor(() => expect(Buffer.concat(answers).length).toBeGreaterThan(0));
    expect(Buffer.concat(answers).toString('hex')).toMatch(/^0103020007/);
  });

  it('closes its connections when it stops, and may be stopped twice', async () => {
    const { server, client } = await served(true);
    expect(server.connections).toBe(1);
    await server.stop();
    await server.stop();
    await vi.waitFor(() => expect(client.isOpen).toBe(false));
    expect(server.connections).toBe(0);
  });

  it('shows the shipped pump skid, which moves with the clock', async () => {
    const clock = new MemoryClock();
    const machine = new PumpSkid({ seed: 7 });
    const image = new RegisterImage(await shippedType('pump-skid@1', 'modbus'), machine);
    const run = new MachineRun({ clock, machines: [machine], onMoved: () => image.refresh() });
    const server = new ModbusServer({ image }, { host: '127.0.0.1', port: 0 });
    await server.start();
    cleanUp.push(() => server.stop());
    await run.start();
    const client = new modbusSerial.default();
    await client.connectTCP('127.0.0.1', { port: server.port });
    cleanUp.push(async () => client.close(() => undefined));
    const flow = async () => (await client.readInputRegisters(0, 2)).buffer.readFloatBE();
    expect(await flow()).toBe(0);
    await clock.advance(60_000);
    expect(await flow()).toBeCloseTo(Number(machine.values.flow?.()), 3);
    expect(await flow()).toBeGreaterThan(40);
    await client.writeRegister(0, 1400);
    await clock.advance(30_000);
    expect(machine.values.speed?.()).toBe(1400);
    await expect(client.writeRegister(0, 3001)).rejects.toMatchObject({ modbusCode: 3 });
    await run.stop();
  });
});

describe('MachineRun', () => {
  it('makes the same history whatever the ticks do', async () => {
    const history = async (advances: readonly number[]) => {
      const clock = new MemoryClock();
      const machine = new PumpSkid({ seed: 3 });
      const run = new MachineRun({ clock, machines: [machine] }, { speed: 2 });
      await run.start();
      for (const ms of advances) await clock.advance(ms);
      await run.stop();
      return Object.entries(machine.values).map(([name, read]) => [name, read()]);
    };
    expect(await history([6000])).toEqual(await history([50, 1, 949, 3000, 2000]));
    expect(await history([6000])).not.toEqual(await history([6100]));
  });
});
