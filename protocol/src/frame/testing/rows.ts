import type { SampleBatch } from '../../samples/batch.ts';
import { Kind } from '../../samples/value.ts';

/** Every sample as one line of text with its exact bits, per point in order; what two batches are compared by. */
export function rowsOf(batches: readonly SampleBatch[]): Map<number, string[]> {
  const rows = new Map<number, string[]>();
  for (const batch of batches) {
    for (let row = 0; row < batch.length; row++) {
      const point = batch.point[row] as number;
      const lines = rows.get(point) ?? [];
      if (lines.length === 0) rows.set(point, lines);
      lines.push(lineOf(batch, row));
    }
  }
  return new Map([...rows].sort(([a], [b]) => a - b));
}

function lineOf(batch: SampleBatch, row: number): string {
  const kind = batch.kind[row] as number;
  const times = `${batch.tSourceMs[row]} ${batch.tGatewayMs[row]}`;
  return `${times} ${batch.quality[row]} ${kind} ${cellOf(batch, row, kind)}`;
}

function cellOf(batch: SampleBatch, row: number, kind: number): string {
  if (kind === Kind.null) return '';
  if (kind === Kind.text) return JSON.stringify(batch.strings[batch.value[row] as number]);
  if (kind === Kind.bool) return String(batch.value[row]);
  return `${batch.words[2 * row + 1]}:${batch.words[2 * row]}`;
}
