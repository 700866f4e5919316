import { InvalidInputError, registersOf, withProtocolAddresses } from '@millwright/protocol';
import type { Machine } from '../machine.ts';
import type { DeviceTypeOf } from '../shipped-types.ts';
import { putValue, type RegisterPoint, takeValue } from './register-words.ts';

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

interface Cell extends RegisterPoint {
  readonly name: string;
  readonly at: number;
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
    const { points, defaults } = withProtocolAddresses(type);
    for (const [name, point] of Object.entries(points)) {
      if (machine.values[name] === undefined) {
        throw new InvalidInputError(
          'SIMULATOR_TYPE',
          `the machine has no value for point "${name}" of ${type.type}`,
        );
      }
      this.#cells[point.table ?? defaults.table].push({
        name,
        point,
        at: point.at,
        width: registersOf(point),
        order: point.order ?? defaults.order,
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
        putValue(cell, value, this.#wordsOf(cell, this.#words[table]));
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
      const value = takeValue(cell, this.#wordsOf(cell, staged));
      if (this.#machine.commands[cell.name]?.(value) !== true) {
        throw new ModbusException('illegal value', `${cell.name} refuses ${value}`);
      }
    }
    this.refresh();
  }

  #wordsOf(cell: Cell, table: Uint16Array): Uint16Array {
    return table.subarray(cell.at, cell.at + cell.width);
  }
}
