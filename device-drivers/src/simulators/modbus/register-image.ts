import { InvalidInputError, type ModbusPoint, type Value } from '@millwright/protocol';
import type { Machine } from '../machine.ts';
import type { DeviceTypeOf } from '../shipped-types.ts';

type ModbusDeviceType = DeviceTypeOf<'modbus'>;
export type Table = 'holding' | 'input' | 'coil' | 'discrete';

/** An answer the protocol knows. @see Modbus Application Protocol V1.1b3 §7 */
export class ModbusException extends InvalidInputError {
  /** Read by modbus-serial's server. */
  readonly modbusErrorCode: number;

  constructor(exception: 'illegal address' | 'illegal value', message: string) {
    super('MODBUS_EXCEPTION', message);
    this.modbusErrorCode = exception === 'illegal address' ? 2 : 3;
  }
}

interface Cell {
  readonly name: string;
  readonly point: ModbusPoint;
  readonly at: number;
  readonly width: number;
  readonly order: 'ABCD' | 'CDAB' | 'BADC' | 'DCBA';
}

/**
 * A machine's values as the registers and coils its device type declares. Addresses between the first and the last
 * point of a table exist and read 0; others do not. Encodes on its own, independently of the driver that reads it.
 */
export class RegisterImage {
  readonly #machine: Machine;
  readonly #cells: Readonly<Record<Table, Cell[]>> = { holding: [], input: [], coil: [], discrete: [] };
  readonly #words: Readonly<Record<Table, Uint16Array>>;

  /** @throws InvalidInputError when the machine lacks a value of the type */
  constructor(type: ModbusDeviceType, machine: Machine) {
    this.#machine = machine;
    for (const [name, point] of Object.entries(type.points)) {
      if (machine.values[name] === undefined) {
        throw new InvalidInputError(
          'SIMULATOR_TYPE',
          `the machine has no value for point "${name}" of ${type.type}`,
        );
      }
      this.#cells[point.table ?? type.defaults.table].push({
        name,
        point,
        at: point.at - type.defaults.base,
        width: widthOf(point),
        order: point.order ?? type.defaults.order,
      });
    }
    const size = (cells: readonly Cell[]) => Math.max(0, ...cells.map((cell) => cell.at + cell.width));
    const { holding, input, coil, discrete } = this.#cells;
    this.#words = {
      holding: new Uint16Array(size(holding)),
      input: new Uint16Array(size(input)),
      coil: new Uint16Array(size(coil)),
      discrete: new Uint16Array(size(discrete)),
    };
    this.refresh();
  }

  /** Takes over what the machine has now: a request sees one moment. */
  refresh(): void {
    for (const table of ['holding', 'input', 'coil', 'discrete'] as const) {
      for (const cell of this.#cells[table]) {
        const value = this.#machine.values[cell.name]?.() ?? null;
        this.#words[table].set(encode(cell, value), cell.at);
      }
    }
  }

  /** @throws ModbusException */
  read(table: Table, address: number, length: number): number[] {
    const words = this.#words[table];
    if (address + length > words.length) {
      throw new ModbusException('illegal address', `there is no ${table} ${address + length - 1}`);
    }
    return [...words.subarray(address, address + length)];
  }

  /**
   * Hands written values to the machine. Part of a value replaces that part of it.
   * @throws ModbusException when an address is not writable or the machine refuses the value
   */
  write(table: 'holding' | 'coil', address: number, words: readonly number[]): void {
    const end = address + words.length;
    const touched = this.#cells[table].filter((cell) => cell.at < end && cell.at + cell.width > address);
    const covered = touched.reduce(
      (sum, cell) => sum + Math.min(end, cell.at + cell.width) - Math.max(address, cell.at),
      0,
    );
    if (covered < words.length || touched.some((cell) => this.#machine.commands[cell.name] === undefined)) {
      throw new ModbusException('illegal address', `${table} ${address}–${end - 1} cannot be written`);
    }
    const staged = this.#words[table].slice();
    staged.set(words, address);
    for (const cell of touched) {
      const value = decode(cell, staged.subarray(cell.at, cell.at + cell.width));
      if (this.#machine.commands[cell.name]?.(value) !== true) {
        throw new ModbusException('illegal value', `${cell.name} refuses ${value}`);
      }
    }
    this.refresh();
  }
}

function widthOf({ as, length }: ModbusPoint): number {
  if (as === 'text') return length ?? 1;
  return { bool: 1, int16: 1, uint16: 1, int32: 2, uint32: 2, float32: 2, int64: 4, uint64: 4, float64: 4 }[
    as
  ];
}

const MINIMUM = { int16: -32_768, uint16: 0, int32: -2_147_483_648, uint32: 0 } as const;
const MAXIMUM = { int16: 32_767, uint16: 65_535, int32: 2_147_483_647, uint32: 4_294_967_295 } as const;

function encode({ point, width, order }: Cell, value: Value): Uint16Array {
  const bytes = Buffer.alloc(2 * width);
  const { as, scale = 1, offset = 0 } = point;
  if (as === 'text') {
    bytes.write(String(value ?? ''), 'utf8');
    return wordsOf(bytes, order === 'BADC' || order === 'DCBA' ? 'BADC' : 'ABCD');
  }
  if (as === 'bool') bytes.writeUInt16BE(value === true ? 1 : 0);
  else if (as === 'int64' || as === 'uint64') {
    const raw =
      typeof value === 'bigint' && scale === 1 ? value : BigInt(Math.round((Number(value) - offset) / scale));
    bytes.writeBigUInt64BE(BigInt.asUintN(64, raw));
  } else {
    const raw = (Number(value) - offset) / scale;
    if (as === 'float32') bytes.writeFloatBE(raw);
    else if (as === 'float64') bytes.writeDoubleBE(raw);
    else {
      const whole = Math.min(MAXIMUM[as], Math.max(MINIMUM[as], Math.round(raw)));
      if (as === 'int16') bytes.writeInt16BE(whole);
      else if (as === 'uint16') bytes.writeUInt16BE(whole);
      else if (as === 'int32') bytes.writeInt32BE(whole);
      else bytes.writeUInt32BE(whole);
    }
  }
  return wordsOf(bytes, order);
}

function decode({ point, order }: Cell, words: Uint16Array): Value {
  const bytes = bytesOf(words, order);
  const { as, scale = 1, offset = 0 } = point;
  switch (as) {
    case 'bool':
      return bytes.readUInt16BE() !== 0;
    case 'text':
      return bytes.toString('utf8').replace(/\0.*$/s, '');
    case 'int64':
    case 'uint64': {
      const raw = as === 'int64' ? bytes.readBigInt64BE() : bytes.readBigUInt64BE();
      return scale === 1 && offset === 0 ? raw : Number(raw) * scale + offset;
    }
    case 'float32':
      return bytes.readFloatBE() * scale + offset;
    case 'float64':
      return bytes.readDoubleBE() * scale + offset;
    case 'int16':
      return bytes.readInt16BE() * scale + offset;
    case 'uint16':
      return bytes.readUInt16BE() * scale + offset;
    case 'int32':
      return bytes.readInt32BE() * scale + offset;
    case 'uint32':
      return bytes.readUInt32BE() * scale + offset;
  }
}

function wordsOf(bytes: Buffer, order: Cell['order']): Uint16Array {
  const words = Uint16Array.from({ length: bytes.length / 2 }, (_, i) =>
    order === 'BADC' || order === 'DCBA' ? bytes.readUInt16LE(2 * i) : bytes.readUInt16BE(2 * i),
  );
  return order === 'CDAB' || order === 'DCBA' ? words.reverse() : words;
}

function bytesOf(words: Uint16Array, order: Cell['order']): Buffer {
  const bytes = Buffer.alloc(2 * words.length);
  for (const [i, word] of (order === 'CDAB' || order === 'DCBA' ? words.toReversed() : words).entries()) {
    if (order === 'BADC' || order === 'DCBA') bytes.writeUInt16LE(word, 2 * i);
    else bytes.writeUInt16BE(word, 2 * i);
  }
  return bytes;
}
