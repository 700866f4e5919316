import type { Value } from '@millwright/protocol';

/** Numbers of the types a metric or a property can have. @see Sparkplug 3.0 §6.4.16 */
export const DataType = {
  Int8: 1,
  Int16: 2,
  Int32: 3,
  Int64: 4,
  UInt8: 5,
  UInt16: 6,
  UInt32: 7,
  UInt64: 8,
  Float: 9,
  Double: 10,
  Boolean: 11,
  String: 12,
  DateTime: 13,
  Text: 14,
  UUID: 15,
  DataSet: 16,
  Bytes: 17,
  File: 18,
  Template: 19,
  PropertySet: 20,
  PropertySetList: 21,
} as const;
export type DataTypeName = keyof typeof DataType;

const NAMES = new Map<number, DataTypeName>(
  Object.entries(DataType).map(([name, code]) => [code, name as DataTypeName]),
);

/** Undefined for a number that Sparkplug 3.0 gives no meaning, such as the array types nobody here reads. */
export function dataTypeName(code: number | undefined): DataTypeName | undefined {
  return code === undefined ? undefined : NAMES.get(code);
}

/** A value as protobuf carries it: the field it stands in, and what is in it. */
export type Cell =
  | { readonly case: 'intValue'; readonly value: number }
  | { readonly case: 'longValue'; readonly value: bigint }
  | { readonly case: 'floatValue' | 'doubleValue'; readonly value: number }
  | { readonly case: 'booleanValue'; readonly value: boolean }
  | { readonly case: 'stringValue'; readonly value: string };

type IntegerName = Extract<DataTypeName, `Int${string}` | `UInt${string}` | 'DateTime'>;

const BOUNDS: Readonly<Record<IntegerName, readonly [low: bigint, high: bigint]>> = {
  Int8: [-0x80n, 0x7fn],
  Int16: [-0x8000n, 0x7fffn],
  Int32: [-0x8000_0000n, 0x7fff_ffffn],
  Int64: [-0x8000_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn],
  UInt8: [0n, 0xffn],
  UInt16: [0n, 0xffffn],
  UInt32: [0n, 0xffff_ffffn],
  UInt64: [0n, 0xffff_ffff_ffff_ffffn],
  DateTime: [0n, 0xffff_ffff_ffff_ffffn],
};

/**
 * The cell for a value of a type; negative integers in two's complement.
 * @returns undefined when the type cannot hold the value
 */
export function cellOf(type: DataTypeName, value: Exclude<Value, null>): Cell | undefined {
  switch (type) {
    case 'Int8':
    case 'Int16':
    case 'Int32': {
      const integer = integerOf(value, ...BOUNDS[type]);
      return integer === undefined ? undefined : { case: 'intValue', value: Number(integer) >>> 0 };
    }
    case 'UInt8':
    case 'UInt16': {
      const integer = integerOf(value, ...BOUNDS[type]);
      return integer === undefined ? undefined : { case: 'intValue', value: Number(integer) };
    }
    case 'UInt32':
    case 'Int64':
    case 'UInt64':
    case 'DateTime': {
      const integer = integerOf(value, ...BOUNDS[type]);
      return integer === undefined ? undefined : { case: 'longValue', value: BigInt.asUintN(64, integer) };
    }
    case 'Float':
      return typeof value === 'number' ? { case: 'floatValue', value } : undefined;
    case 'Double':
      return typeof value === 'number' ? { case: 'doubleValue', value } : undefined;
    case 'Boolean':
      return typeof value === 'boolean' ? { case: 'booleanValue', value } : undefined;
    case 'String':
    case 'Text':
    case 'UUID':
      return typeof value === 'string' ? { case: 'stringValue', value } : undefined;
    default:
      return undefined;
  }
}

/**
 * What a cell says, read as a type. Peers differ in whether they put a UInt32 in the int or the long field: both are read.
 * @returns undefined when the cell cannot be of that type, or nobody here reads the type
 */
export function valueOfCell(type: DataTypeName, cell: Cell): Exclude<Value, null> | undefined {
  switch (type) {
    case 'Int8':
    case 'Int16':
    case 'Int32':
      return cell.case === 'intValue' ? narrowInteger(type, cell.value) : undefined;
    case 'UInt8':
    case 'UInt16':
      return cell.case === 'intValue' && cell.value <= BOUNDS[type][1] ? cell.value : undefined;
    case 'UInt32':
      if (cell.case === 'intValue') return cell.value;
      return cell.case === 'longValue' && cell.value <= BOUNDS.UInt32[1] ? Number(cell.value) : undefined;
    case 'Int64':
      return cell.case === 'longValue' ? BigInt.asIntN(64, cell.value) : undefined;
    case 'UInt64':
    case 'DateTime':
      return cell.case === 'longValue' ? cell.value : undefined;
    case 'Float':
    case 'Double':
      return cell.case === 'floatValue' || cell.case === 'doubleValue' ? cell.value : undefined;
    case 'Boolean':
      return cell.case === 'booleanValue' ? cell.value : undefined;
    case 'String':
    case 'Text':
    case 'UUID':
      return cell.case === 'stringValue' ? cell.value : undefined;
    default:
      return undefined;
  }
}

function integerOf(value: Exclude<Value, null>, low: bigint, high: bigint): bigint | undefined {
  if (typeof value === 'number' && !Number.isInteger(value)) return undefined;
  if (typeof value !== 'number' && typeof value !== 'bigint') return undefined;
  const integer = BigInt(value);
  return integer < low || integer > high ? undefined : integer;
}

/** Peers sign-extend small integers or do not: both are read. */
function narrowInteger(type: 'Int8' | 'Int16' | 'Int32', raw: number): number | undefined {
  const bits = type === 'Int8' ? 8 : type === 'Int16' ? 16 : 32;
  const value = (raw << (32 - bits)) >> (32 - bits);
  return value >>> 0 === raw || raw < 2 ** bits ? value : undefined;
}
