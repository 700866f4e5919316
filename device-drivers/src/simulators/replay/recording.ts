import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { InvalidInputError, LimitError } from '@millwright/protocol';
import { parse } from 'csv-parse';

/** Columns of numbers over time, as somebody recorded them. */
export interface Recording {
  /** Names as in the file, without the time. */
  readonly columns: readonly string[];
  /** Milliseconds since the first row; never goes back. */
  readonly offsetsMs: Float64Array;
  /** One array per column; NaN where the file has no number. */
  readonly values: readonly Float64Array[];
}

const MAX_FILE_BYTES = 256 * 1024 * 1024;
const MAX_COLUMNS = 200;
const TIME_COLUMNS = ['datetime', 'timestamp', 'time', 'date', 'ts'];

/**
 * Reads a CSV file with a header; `,`, `;` or tab; the first column whose name says time, else the first, is the time
 * (ISO-8601 with or without zone: then UTC; or epoch seconds or milliseconds).
 *
 * @throws InvalidInputError `RECORDING_INVALID`, `RECORDING_UNREADABLE`; LimitError `RECORDING_TOO_LARGE`
 */
export async function readRecording(file: string): Promise<Recording> {
  const size = await sizeOf(file);
  if (size > MAX_FILE_BYTES) {
    throw new LimitError(
      'RECORDING_TOO_LARGE',
      `${file} has ${size} bytes; at most ${MAX_FILE_BYTES} are replayed`,
    );
  }
  const rows = createReadStream(file).pipe(
    parse({
      bom: true,
      delimiter: [';', ',', '\t'],
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    }),
  );
  const builder = new RecordingBuilder(file);
  try {
    for await (const row of rows) builder.add(row);
  } catch (cause) {
    if (cause instanceof InvalidInputError) throw cause;
    throw new InvalidInputError('RECORDING_INVALID', `${file} is not CSV: ${String(cause)}`, { cause });
  } finally {
    rows.destroy();
  }
  return builder.finish();
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (cause) {
    throw new InvalidInputError('RECORDING_UNREADABLE', `cannot read the recording ${file}`, { cause });
  }
}

class RecordingBuilder {
  readonly #file: string;
  readonly #times: number[] = [];
  #header: readonly string[] | undefined;
  #timeIndex = 0;
  #columns: readonly { readonly name: string; readonly index: number; readonly values: number[] }[] = [];
  #line = 0;

  constructor(file: string) {
    this.#file = file;
  }

  add(row: unknown): void {
    if (!Array.isArray(row)) return;
    this.#line += 1;
    const cells = row.map(String);
    if (this.#header === undefined) this.#begin(cells);
    else this.#take(cells);
  }

  finish(): Recording {
    if (this.#times.length === 0) throw this.#invalid('it has no rows');
    const [first = 0] = this.#times;
    return {
      columns: this.#columns.map((column) => column.name),
      offsetsMs: Float64Array.from(this.#times, (time) => time - first),
      values: this.#columns.map((column) => Float64Array.from(column.values)),
    };
  }

  #begin(header: readonly string[]): void {
    this.#header = header;
    const named = header.findIndex((name) => TIME_COLUMNS.includes(name.toLowerCase()));
    this.#timeIndex = Math.max(0, named);
    this.#columns = header
      .map((name, index) => ({ name, index, values: [] }))
      .filter((column) => column.index !== this.#timeIndex && column.name !== '');
    if (this.#columns.length === 0) throw this.#invalid('it needs a time and at least one column of values');
    if (this.#columns.length > MAX_COLUMNS) throw this.#invalid(`it has more than ${MAX_COLUMNS} columns`);
  }

  #take(cells: readonly string[]): void {
    const text = cells[this.#timeIndex] ?? '';
    const time = timeOf(text);
    const last = this.#times.at(-1) ?? time;
    if (Number.isNaN(time)) throw this.#invalid(`row ${this.#line}: "${text}" is not a time`);
    // Clocks of recorders get set; a replay goes on.
    this.#times.push(Math.max(time, last));
    for (const { index, values } of this.#columns) {
      const cell = cells[index] ?? '';
      values.push(cell === '' ? Number.NaN : Number(cell));
    }
  }

  #invalid(what: string): InvalidInputError {
    return new InvalidInputError('RECORDING_INVALID', `${this.#file} cannot be replayed: ${what}`);
  }
}

function timeOf(text: string): number {
  if (/^\d{9,11}(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (/^\d{12,14}$/.test(text)) return Number(text);
  const iso = text.replace(' ', 'T');
  return Date.parse(/([Zz]|[+-]\d\d:?\d\d)$/.test(iso) || !iso.includes('T') ? iso : `${iso}Z`);
}
