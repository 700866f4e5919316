import { UnavailableError } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ModbusBus } from './bus.ts';
import { createBus } from './endpoint.ts';
import { MemoryBus } from './memory-bus.ts';
import { freePort, ModbusPeer, SerialGateway } from './test-peer.ts';

const UNIT = 3;
const target = { unit: UNIT, timeoutMs: 200 };
const signal = new AbortController().signal;

/** A bus and the device behind it. */
interface Bench {
  readonly bus: ModbusBus;
  setRegisters(address: number, words: readonly number[]): void;
  register(address: number): number | undefined;
  setCoils(address: number, bits: readonly number[]): void;
  forbid(address: number): void;
  silence(): void;
  hangUp(): Promise<void>;
  dispose(): Promise<void>;
}

async function overTheNetwork(kind: 'tcp' | 'rtuOverTcp' | 'asciiOverTcp', connections = 1): Promise<Bench> {
  const peer = await ModbusPeer.create();
  await peer.start();
  const gateway =
    kind === 'tcp'
      ? undefined
      : new SerialGateway(await freePort(), peer.port, kind === 'rtuOverTcp' ? 'rtu' : 'ascii');
  await gateway?.start();
  const end = async () => {
    await gateway?.stop();
    await peer.stop();
  };
  const port = gateway?.port ?? peer.port;
  return {
    bus: createBus({ kind, host: '127.0.0.1', port, connections, pipeline: 1 }, { clock: systemClock }),
    setRegisters: (address, words) => peer.holding.set(words, address),
    register: (address) => peer.holding[address],
    setCoils: (address, bits) => peer.coils.set(bits, address),
    forbid: (address) => peer.illegal.add(address),
    silence: () => peer.silentUnits.add(UNIT),
    hangUp: end,
    dispose: end,
  };
}

async function inMemory(): Promise<Bench> {
  const bus = new MemoryBus({ clock: systemClock });
  const unit = bus.unit(UNIT);
  return {
    bus,
    setRegisters: (address, words) => unit.registers.set(words, address),
    register: (address) => unit.registers[address],
    setCoils: (address, bits) => unit.bits.set(bits, address),
    forbid: (address) => unit.illegal.add(address),
    silence: () => {
      unit.isSilent = true;
    },
    hangUp: async () => {
      bus.isReachable = false;
      bus.hangUp();
    },
    dispose: async () => undefined,
  };
}

describe.each([
  ['in memory', inMemory],
  ['over TCP', () => overTheNetwork('tcp')],
  ['RTU over TCP', () => overTheNetwork('rtuOverTcp')],
  ['ASCII over TCP', () => overTheNetwork('asciiOverTcp')],
  ['of three connections', () => overTheNetwork('tcp', 3)],
])('a Modbus bus %s', (_, create) => {
  let bench: Bench;
  let bus: ModbusBus;
  let closed: string[];
  const open = () => bus.open({ signal, onClose: (why) => closed.push(why) });

  beforeEach(async () => {
    bench = await create();
    bus = bench.bus;
    closed = [];
  });
  afterEach(async () => {
    bus.close();
    await bench.dispose();
  });

  it('reads registers as big-endian bytes and bits least significant first', async () => {
    bench.setRegisters(7, [0x0102, 0xfffe]);
    bench.setCoils(20, [1, 0, 1, 1, 0, 0, 0, 0, 1]);
    await open();
    const registers = await bus.read(target, 'holding', 7, 2);
    expect(registers.ok && Buffer.from(registers.data).toString('hex')).toBe('0102fffe');
    const coils = await bus.read(target, 'coil', 20, 9);
    expect(coils.ok && Buffer.from(coils.data).toString('hex')).toBe('0d01');
    const most = await bus.read(target, 'holding', 0, 125);
    expect(most.ok && most.data.length).toBe(250);
  });

  it('writes one register, several registers and a coil', async () => {
    await open();
    const written = { ok: true, data: undefined };
    expect(await bus.write(target, 5, { to: 'registers', words: [0xbeef] })).toEqual(written);
    expect(await bus.write(target, 6, { to: 'registers', words: [1, 2, 3] })).toEqual(written);
    expect([5, 6, 7, 8].map((at) => bench.register(at))).toEqual([0xbeef, 1, 2, 3]);
    expect(await bus.write(target, 9, { to: 'coil', on: true })).toEqual(written);
    const coil = await bus.read(target, 'coil', 9, 1);
    expect(coil.ok && coil.data[0]).toBe(1);
    expect(await bus.write(target, 9, { to: 'coil', on: false })).toEqual(written);
  });

  it('tells an exception with its code', async () => {
    bench.forbid(8);
    await open();
    const refused = { ok: false, why: 'exception', code: 2 };
    expect(await bus.read(target, 'holding', 0, 10)).toEqual(refused);
    expect(await bus.write(target, 8, { to: 'registers', words: [1] })).toEqual(refused);
    expect(await bus.read(target, 'holding', 0, 8)).toMatchObject({ ok: true });
  });

  it('ends a request that is not answered in time', async () => {
    bench.silence();
    await open();
    expect(await bus.read(target, 'holding', 0, 2)).toEqual({ ok: false, why: 'timeout' });
  });

  it('ends an outstanding request when it is closed, and every later one', async () => {
    bench.silence();
    await open();
    const waiting = bus.read(target, 'holding', 0, 2);
    bus.close();
    bus.close();
    expect(await waiting).toEqual({ ok: false, why: 'closed' });
    expect(await bus.read(target, 'holding', 0, 2)).toEqual({ ok: false, why: 'closed' });
    expect(closed).toEqual([]);
  });

  it('says once that the device hung up, and cannot be opened while it is away', async () => {
    bench.silence();
    await open();
    const waiting = bus.read({ ...target, timeoutMs: 10_000 }, 'holding', 0, 2);
    await bench.hangUp();
    expect(await waiting).toEqual({ ok: false, why: 'closed' });
    await expect.poll(() => closed.length).toBe(1);
    expect(bus.isOpen).toBe(false);
    await expect(open()).rejects.toBeInstanceOf(UnavailableError);
    expect(closed.length).toBe(1);
  });

  it('does not open once it was cancelled', async () => {
    const reason = new UnavailableError('CANCELLED', 'cancelled by the test');
    await expect(bus.open({ signal: AbortSignal.abort(reason), onClose: () => undefined })).rejects.toBe(
      reason,
    );
    expect(bus.isOpen).toBe(false);
  });
});
