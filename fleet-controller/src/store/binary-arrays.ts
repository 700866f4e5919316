/**
 * One-dimensional arrays in PostgreSQL's binary form, as parameters for `unnest`: no text is made or parsed.
 * node-postgres sends a Buffer as a binary parameter.
 * @see PostgreSQL, src/backend/utils/adt/arrayfuncs.c, array_recv
 */

const HEADER = 20;
const NULL = -1;
const Oid = { bytea: 17, int8: 20, int2: 21, int4: 23, text: 25, float8: 701 } as const;

/** `NaN` is null. */
export function float8Array(values: Float64Array, length: number): Buffer {
  const buffer = header(Oid.float8, length, length * 12);
  let at = HEADER;
  for (let index = 0; index < length; index++) {
    const value = values[index] as number;
    if (Number.isNaN(value)) {
      at = buffer.writeInt32BE(NULL, at);
    } else {
      at = buffer.writeInt32BE(8, at);
      at = buffer.writeDoubleBE(value, at);
    }
  }
  return buffer.subarray(0, at);
}

/** Safe integers. */
export function int8Array(values: Float64Array, length: number): Buffer {
  const buffer = header(Oid.int8, length, length * 12);
  let at = HEADER;
  for (let index = 0; index < length; index++) {
    const value = values[index] as number;
    at = buffer.writeInt32BE(8, at);
    at = buffer.writeInt32BE(Math.floor(value / 2 ** 32), at);
    at = buffer.writeUInt32BE(value >>> 0, at);
  }
  return buffer;
}

export function int4Array(values: Int32Array, length: number): Buffer {
  const buffer = header(Oid.int4, length, length * 8);
  let at = HEADER;
  for (let index = 0; index < length; index++) {
    at = buffer.writeInt32BE(4, at);
    at = buffer.writeInt32BE(values[index] as number, at);
  }
  return buffer;
}

export function int2Array(values: Uint8Array, length: number): Buffer {
  const buffer = header(Oid.int2, length, length * 6);
  let at = HEADER;
  for (let index = 0; index < length; index++) {
    at = buffer.writeInt32BE(2, at);
    at = buffer.writeInt16BE(values[index] as number, at);
  }
  return buffer;
}

/** `undefined` is null. */
export function textArray(values: readonly (string | undefined)[], length: number): Buffer {
  let bytes = 0;
  for (let index = 0; index < length; index++) bytes += 4 + Buffer.byteLength(values[index] ?? '');
  const buffer = header(Oid.text, length, bytes);
  let at = HEADER;
  for (let index = 0; index < length; index++) {
    const value = values[index];
    if (value === undefined) {
      at = buffer.writeInt32BE(NULL, at);
    } else {
      const written = buffer.write(value, at + 4);
      at = buffer.writeInt32BE(written, at) + written;
    }
  }
  return buffer.subarray(0, at);
}

export function byteaArray(values: readonly Uint8Array[]): Buffer {
  const bytes = values.reduce((sum, value) => sum + 4 + value.length, 0);
  const buffer = header(Oid.bytea, values.length, bytes);
  let at = HEADER;
  for (const value of values) {
    at = buffer.writeInt32BE(value.length, at);
    buffer.set(value, at);
    at += value.length;
  }
  return buffer;
}

function header(oid: number, length: number, dataBytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER + dataBytes);
  let at = buffer.writeInt32BE(1, 0);
  at = buffer.writeInt32BE(1, at);
  at = buffer.writeInt32BE(oid, at);
  at = buffer.writeInt32BE(length, at);
  buffer.writeInt32BE(1, at);
  return buffer;
}
