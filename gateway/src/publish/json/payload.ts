import type { PointFacts } from '@millwright/device-drivers/derive';
import { Kind, qualityOf, reasonOf, type SampleBatch, toJsonValue } from '@millwright/protocol';

/** What ends every message of a point: it is the same each time. */
export function payloadTail(unit: string | undefined): string {
  return unit === undefined ? '}' : `,"u":${JSON.stringify(unit)}}`;
}

/**
 * One sample as JSON: `{"v":231.4,"q":"good","t":1763846000000,"u":"V"}`, with `why` when it is not good.
 * A point whose values have labels has its own as `label`, null for a value without one.
 * `v` is null when there is no value; 64-bit integers beyond 2^53 and numbers JSON has no word for are strings.
 */
export function payloadOf(
  batch: SampleBatch,
  row: number,
  { tail, labels }: { readonly tail: string; readonly labels?: PointFacts['labels'] },
): string {
  const quality = batch.quality[row] as number;
  const value = valueText(batch, row);
  const label = labels === undefined ? '' : `,"label":${JSON.stringify(labels.get(value) ?? null)}`;
  const head = `{"v":${value}${label},"q":"${qualityOf(quality)}"`;
  const why = reasonOf(quality);
  return `${head}${why === 'none' ? '' : `,"why":"${why}"`},"t":${batch.tSourceMs[row]}${tail}`;
}

function valueText(batch: SampleBatch, row: number): string {
  switch (batch.kind[row]) {
    case Kind.float64: {
      const value = batch.value[row] as number;
      if (!Number.isFinite(value)) return `"${value}"`;
      // What fits a float32 came from one: the digits beyond its seven are not the device's.
      const isShort = !Number.isInteger(value) && Math.fround(value) === value;
      return String(isShort ? Number(value.toPrecision(7)) : value);
    }
    case Kind.bool:
      return batch.value[row] === 0 ? 'false' : 'true';
    case Kind.null:
      return 'null';
    default:
      return JSON.stringify(toJsonValue(batch.valueAt(row)));
  }
}
