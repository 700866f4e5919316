import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { InvalidInputError, LimitError } from '@millwright/protocol';
import { pointText, type RuleSpec } from '@millwright/protocol/automation';
import { parse } from 'csv-parse';
import { RecordedRows } from './recorded-rows.ts';

const MAX_FILE_BYTES = 256 * 1024 * 1024;
const TIME_COLUMNS = ['datetime', 'timestamp', 'time', 'date', 'ts'];
/** Later than this, a number is milliseconds rather than seconds. */
const SECONDS_UNTIL = 1e11;

export interface Span {
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

/**
 * Reads a CSV file with a header; `,`, `;` or tab; the first column whose name says time, else the first, is the time
 * (ISO-8601, without a zone UTC; or epoch seconds or milliseconds). A column belongs to the input whose `device/point`,
 * or whose point alone, it is called; what a name of a point cannot hold counts as `_`.
 *
 * @throws InvalidInputError `RECORDING_INVALID`, `RECORDING_UNREADABLE`; LimitError `RECORDING_TOO_LARGE`
 */
export async function readCsvHistory(
  file: string,
  rule: RuleSpec,
  span: Span,
): Promise<ReturnType<RecordedRows['toHistory']>> {
  const size = await sizeOf(file);
  if (size > MAX_FILE_BYTES) {
    throw new LimitError(
      'RECORDING_TOO_LARGE',
      `${file} has ${size} bytes; at most ${MAX_FILE_BYTES} are read`,
    );
  }
  const reader = new CsvReader(file, rule, span);
  const rows = createReadStream(file).pipe(
    parse({
      bom: true,
      delimiter: [';', ',', '\t'],
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    }),
  );
  try {
    for await (const row of rows) reader.take(row);
  } catch (cause) {
    if (cause instanceof InvalidInputError || cause instanceof LimitError) throw cause;
    throw new InvalidInputError('RECORDING_INVALID', `${file} is not CSV: ${String(cause)}`, { cause });
  } finally {
    rows.destroy();
  }
  return reader.rows.toHistory();
}

class CsvReader {
  readonly rows: RecordedRows;
  readonly #file: string;
  readonly #rule: RuleSpec;
  readonly #fromMs: number;
  readonly #toMs: number;
  #timeColumn: number | undefined;
  #columns: readonly { readonly input: number; readonly column: number }[] = [];
  #line = 0;

  constructor(file: string, rule: RuleSpec, { fromMs, toMs }: Span) {
    this.rows = new RecordedRows(Object.values(rule.inputs));
    this.#file = file;
    this.#rule = rule;
    this.#fromMs = fromMs ?? Number.NEGATIVE_INFINITY;
    this.#toMs = toMs ?? Number.POSITIVE_INFINITY;
  }

  take(row: unknown): void {
    if (!Array.isArray(row)) return;
    this.#line += 1;
    const cells = row.map(String);
    if (this.#timeColumn === undefined) {
      this.#timeColumn = this.#begin(cells);
      return;
    }
    const text = cells[this.#timeColumn] ?? '';
    const atMs = timeOf(text);
    if (Number.isNaN(atMs)) throw this.#invalid(`row ${this.#line}: "${text}" is not a time`);
    if (atMs < this.#fromMs || atMs > this.#toMs) return;
    for (const { input, column } of this.#columns) this.rows.addText(input, atMs, cells[column] ?? '');
  }

  /** @returns which column is the time */
  #begin(header: readonly string[]): number {
    const time = Math.max(
      0,
      header.findIndex((name) => TIME_COLUMNS.includes(name.toLowerCase())),
    );
    const names = header.map((name) => name.toLowerCase().replace(/[^a-z0-9_./-]/g, '_'));
    const inputs = Object.values(this.#rule.inputs);
    this.#columns = inputs.map(({ ref }, input) => {
      const found = [pointText(ref), ref.point].map((name) => names.indexOf(name.toLowerCase()));
      const column = found.find((at) => at >= 0 && at !== time);
      if (column !== undefined) return { input, column };
      const others = header.filter((_, at) => at !== time).slice(0, 20);
      throw this.#invalid(`it has no column for ${pointText(ref)}; there are: ${others.join(', ')}`);
    });
    return time;
  }

  #invalid(what: string): InvalidInputError {
    return new InvalidInputError('RECORDING_INVALID', `${this.#file} cannot be replayed: ${what}`);
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (cause) {
    throw new InvalidInputError('RECORDING_UNREADABLE', `cannot read the recording ${file}`, { cause });
  }
}

function timeOf(text: string): number {
  if (/^-?\d+(\.\d+)?$/.test(text)) {
    const number = Number(text);
    return Math.abs(number) < SECONDS_UNTIL ? number * 1000 : number;
  }
  const hasZone = /[zZ]$|[+-]\d\d:?\d\d$/.test(text);
  return Date.parse(hasZone ? text : `${text.replace(' ', 'T')}Z`);
}
