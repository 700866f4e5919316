import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type PointNo, SampleBatch } from '@millwright/protocol';
import { parse } from 'csv-parse/sync';

/** Recorded series that were sampled together. */
export interface Recording {
  readonly set: 'skab' | 'nab' | 'cmapss';
  readonly file: string;
  readonly times: Float64Array;
  readonly columns: readonly Float64Array[];
}

const HOUR_MS = 3_600_000;
/** Labels, not measurements. */
const LABELS = new Set(['anomaly', 'changepoint']);

export const dataFolder = join(import.meta.dirname, '..', '..', '..', '..', 'shared', 'data');

/** Every recording of the shared data folder; none where it is absent. */
export function recordings(): Recording[] {
  if (!existsSync(dataFolder)) return [];
  return [
    ...filesOf('skab', '.csv').map((path) => fromCsv('skab', path, ';')),
    ...filesOf('nab', '.csv').map((path) => fromCsv('nab', path, ',')),
    ...filesOf('cmapss', '.txt').map(fromText),
  ];
}

function filesOf(set: string, ending: string): string[] {
  return readdirSync(join(dataFolder, set), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function fromCsv(set: 'skab' | 'nab', path: string, delimiter: string): Recording {
  const [header = [], ...rows]: string[][] = parse(readFileSync(path), { delimiter });
  const measured = header.flatMap((name, column) => (column === 0 || LABELS.has(name) ? [] : [column]));
  return {
    set,
    file: basename(path),
    times: Float64Array.from(rows, (row) => Date.parse(`${row[0]?.replace(' ', 'T')}Z`)),
    columns: measured.map((column) => Float64Array.from(rows, (row) => Number(row[column]))),
  };
}

/** Turbofan runs have cycles, not times: a row counts as an hour. Unit and cycle are no measurements. */
function fromText(path: string): Recording {
  const rows = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  const width = rows[0]?.length ?? 0;
  const measured = Array.from({ length: width }, (_, column) => column).slice(width > 2 ? 2 : 0);
  return {
    set: 'cmapss',
    file: basename(path),
    times: Float64Array.from(rows, (_, row) => Date.UTC(2026, 0, 1) + HOUR_MS * row),
    columns: measured.map((column) => Float64Array.from(rows, (row) => row[column] ?? Number.NaN)),
  };
}

/** As a device is polled: all points at one time, then all at the next. */
export function batchOf({ times, columns }: Recording): SampleBatch {
  const batch = new SampleBatch(times.length * columns.length);
  for (let row = 0; row < times.length; row++) {
    const ms = times[row] as number;
    for (let column = 0; column < columns.length; column++) {
      batch.pushNumber(column as PointNo, ms, ms, columns[column]?.[row] as number);
    }
  }
  return batch;
}
