import { sql } from 'kysely';
import { float8Array, int2Array, int4Array, int8Array, textArray } from '../store/binary-arrays.ts';
import type { RollupColumns } from './rollup-accumulator.ts';

/** Tables that hold minutes gathered into wider buckets, with the width in ms. */
export const WIDER_ROLLUPS = [
  ['rollup_15m', 900_000],
  ['rollup_1h', 3_600_000],
  ['rollup_1d', 86_400_000],
] as const;

type RollupTable = 'rollup_1m' | (typeof WIDER_ROLLUPS)[number][0];

/** Adds buckets to what is stored of them already; in whatever order frames come, the outcome is the same. */
export function upsertRollup(table: RollupTable, columns: RollupColumns) {
  const { length } = columns;
  const count = Float64Array.from({ length }, (_, at) => (columns.count[at] === 0 ? Number.NaN : 1));
  const sum = Float64Array.from({ length }, (_, at) => (columns.sum[at] as number) * (count[at] as number));
  return sql`
    insert into ${sql.table(table)} as r
      (series, bucket_ms, min, max, sum, count, bad, last, last_ms, last_gateway_ms, last_quality, last_text)
    select * from unnest(
      ${int4Array(columns.series, length)}::int4[],
      ${int8Array(columns.bucketMs, length)}::int8[],
      ${float8Array(columns.min, length)}::float8[],
      ${float8Array(columns.max, length)}::float8[],
      ${float8Array(sum, length)}::float8[],
      ${int4Array(columns.count, length)}::int4[],
      ${int4Array(columns.bad, length)}::int4[],
      ${float8Array(columns.last, length)}::float8[],
      ${int8Array(columns.lastMs, length)}::int8[],
      ${int8Array(columns.lastGatewayMs, length)}::int8[],
      ${int2Array(columns.lastQuality, length)}::int2[],
      ${textArray(columns.lastText, length)}::text[])
    on conflict (series, bucket_ms) do update set
      min = least(r.min, excluded.min),
      max = greatest(r.max, excluded.max),
      sum = case when r.sum is null then excluded.sum when excluded.sum is null then r.sum
        else r.sum + excluded.sum end,
      count = r.count + excluded.count,
      bad = r.bad + excluded.bad,
      last = case when excluded.last_ms >= r.last_ms then excluded.last else r.last end,
      last_text = case when excluded.last_ms >= r.last_ms then excluded.last_text else r.last_text end,
      last_gateway_ms = case when excluded.last_ms >= r.last_ms
        then excluded.last_gateway_ms else r.last_gateway_ms end,
      last_quality = case when excluded.last_ms >= r.last_ms
        then excluded.last_quality else r.last_quality end,
      last_ms = greatest(r.last_ms, excluded.last_ms)`;
}
