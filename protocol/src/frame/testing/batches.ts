import fc from 'fast-check';
import type { PointNo } from '../../ids.ts';
import { SampleBatch } from '../../samples/batch.ts';
import { Kind, type Value } from '../../samples/value.ts';

const NOW = Date.UTC(2026, 5, 1, 12);

type Row = readonly [
  point: number,
  tSourceMs: number,
  lagMs: number,
  quality: number,
  kind: 'number' | 'int' | 'value',
  value: Value,
];

const points = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 4 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 300 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 0x7fff_ffff, 1 << 20, (1 << 20) - 1, 12345678) },
);

const times = fc.oneof(
  { weight: 4, arbitrary: fc.nat(600).map((second) => NOW + 1000 * second) },
  { weight: 3, arbitrary: fc.nat(60_000).map((ms) => NOW + ms) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      0,
      -1,
      2 ** 50,
      -(2 ** 50),
      2 ** 53 - 1,
      -(2 ** 53) + 1,
      Number.MAX_VALUE,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
      NOW + 0.5,
    ),
  },
);

const lags = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 3, arbitrary: fc.integer({ min: -5, max: 40 }) },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 45, -(2 ** 45), 0.25) },
);

const qualities = fc.oneof(
  { weight: 5, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }) },
);

const decimals = fc
  .tuple(fc.integer({ min: -(10 ** 7), max: 10 ** 7 }), fc.integer({ min: 0, max: 9 }))
  .map(([whole, exponent]) => whole / 10 ** exponent);

const doubles = fc.oneof(
  { weight: 6, arbitrary: decimals },
  { weight: 2, arbitrary: fc.integer({ min: -4000, max: 4000 }).map((raw) => raw * 0.01) },
  { weight: 2, arbitrary: fc.float() },
  { weight: 2, arbitrary: decimals.map(Math.fround) },
  { weight: 2, arbitrary: fc.double() },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      0,
      -0,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.MIN_VALUE,
      -Number.MIN_VALUE,
      Number.MAX_VALUE,
      Number.MAX_SAFE_INTEGER,
      2 ** 51,
      2 ** 51 + 1,
      2 ** 52 + 1,
      -(2 ** 51),
      1e22,
      1e-300,
      0.1 + 0.2,
      1e15 + 0.3,
    ),
  },
);

const integers = fc.oneof(
  { weight: 3, arbitrary: fc.bigInt({ min: -1000n, max: 1000n }) },
  { weight: 2, arbitrary: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      -(2n ** 63n),
      2n ** 63n - 1n,
      2n ** 63n,
      2n ** 64n - 1n,
      2n ** 53n + 1n,
      -(2n ** 53n) - 1n,
      2n ** 51n,
      2n ** 51n + 1n,
      -(2n ** 51n),
    ),
  },
);

const texts = fc.oneof(
  fc.constantFrom('', 'open', 'closed', '\ufeffmarked', 'é', '\ud800', '日本'),
  fc.string({ unit: 'binary' }),
);

const numberRow = fc.tuple(points, times, lags, qualities, fc.constant('number' as const), doubles);
const anyRow: fc.Arbitrary<Row> = fc.oneof(
  { weight: 6, arbitrary: numberRow },
  { weight: 2, arbitrary: fc.tuple(points, times, lags, qualities, fc.constant('int' as const), integers) },
  {
    weight: 2,
    arbitrary: fc.tuple(
      points,
      times,
      lags,
      qualities,
      fc.constant('value' as const),
      fc.oneof(fc.boolean(), fc.constant(null), texts),
    ),
  },
);

/** Rows of every kind at any time, with points that repeat; a NaN now and then carries a payload. */
export const anyBatch: fc.Arbitrary<SampleBatch> = fc
  .oneof(
    fc.array(anyRow, { maxLength: 60, size: 'max' }),
    fc.array(numberRow, { maxLength: 200, size: 'max' }),
    columnRows(),
  )
  .map(batchOf);

/** One to three points of one kind each, in steady columns: what the packed forms are made for. */
function columnRows(): fc.Arbitrary<Row[]> {
  const column = fc.oneof(
    fc.array(decimals, { minLength: 1, maxLength: 150, size: 'max' }),
    fc.array(doubles, { minLength: 1, maxLength: 150, size: 'max' }),
    fc.array(integers, { minLength: 1, maxLength: 150, size: 'max' }),
    fc.array(fc.boolean(), { minLength: 1, maxLength: 150, size: 'max' }),
    fc.array(fc.constantFrom<Value>('a', 'b', null), { minLength: 1, maxLength: 150, size: 'max' }),
    fc
      .tuple(fc.integer(), fc.integer({ min: -50, max: 50 }), fc.nat(150), fc.nat(9))
      .map(([start, step, length, exponent]) =>
        Array.from({ length }, (_, index): Value => (start + step * index) / 10 ** exponent),
      ),
    fc
      .array(fc.tuple(fc.constantFrom(0, 1, 20.5, -3), fc.integer({ min: 1, max: 40 })), { maxLength: 8 })
      .map((runs) => runs.flatMap(([value, length]) => Array.from({ length }, (): Value => value))),
  );
  return fc
    .tuple(fc.array(column, { minLength: 1, maxLength: 3 }), fc.constantFrom(1000, 100, 0, -7), fc.nat(5))
    .map(([columns, stepMs, jitterMs]) =>
      columns.flatMap((values, point) =>
        values.map((value, index): Row => {
          const tSourceMs = NOW + stepMs * index + ((index * 7) % (jitterMs + 1));
          return [point, tSourceMs, 0, 0, typeof value === 'bigint' ? 'int' : 'value', value];
        }),
      ),
    );
}

function batchOf(rows: readonly Row[]): SampleBatch {
  const batch = new SampleBatch(Math.max(1, rows.length));
  for (const [point, tSourceMs, lagMs, quality, , value] of rows) {
    batch.push(point as PointNo, tSourceMs, tSourceMs + lagMs, value, quality);
    const row = batch.length - 1;
    if (batch.kind[row] === Kind.float64 && Number.isNaN(batch.value[row]) && point % 2 === 1) {
      batch.words[2 * row] = point;
      batch.words[2 * row + 1] = 0x7ff8_1234;
    }
  }
  return batch;
}
