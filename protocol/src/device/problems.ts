import { distance } from 'fastest-levenshtein';
import { InvalidInputError } from '../errors.ts';

/** A place in a source file; both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export type KeyPath = readonly (string | number)[];

const MAX_LINES = 50;
const MAX_SHOWN = 60;

/** Collects what is wrong with a set of files, so that a person mends all of it in one go. */
export class Problems {
  readonly #lines: { readonly file: string; readonly place: Place; readonly text: string }[] = [];

  get count(): number {
    return this.#lines.length;
  }

  add(file: string, place: Place, path: string, what: string): void {
    const text = `${file}:${place.line}:${place.column}: ${path === '' ? '' : `${path}: `}${what}`;
    if (!this.#lines.some((line) => line.text === text)) this.#lines.push({ file, place, text });
  }

  /** @throws InvalidInputError `CONFIG_INVALID`, one line per problem in the order of the files, when there are any */
  throwIfAny(): void {
    if (this.#lines.length > 0) this.throwAll();
  }

  throwAll(): never {
    const files = [...new Set(this.#lines.map((line) => line.file))];
    const sorted = this.#lines.toSorted(
      (a, b) =>
        files.indexOf(a.file) - files.indexOf(b.file) ||
        a.place.line - b.place.line ||
        a.place.column - b.place.column,
    );
    const lines = sorted.slice(0, MAX_LINES).map((line) => line.text);
    if (sorted.length > MAX_LINES) lines.push(`… and ${sorted.length - MAX_LINES} more problems`);
    throw new InvalidInputError('CONFIG_INVALID', lines.join('\n'));
  }
}

/** `points.voltage.range[1]`. */
export function pathText(path: KeyPath): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else text += text === '' ? key : `.${key}`;
  }
  return text;
}

/** A value as a message shows it: short, and never a whole tree. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  if (typeof value !== 'string') return String(value);
  return JSON.stringify(value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}…` : value);
}

/** @returns the known word that was probably meant, or undefined when none is close */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > MAX_SHOWN) return undefined;
  const lower = word.toLowerCase();
  let best: { readonly candidate: string; readonly far: number } | undefined;
  for (const candidate of known) {
    const other = candidate.toLowerCase();
    const edits = distance(lower, other);
    const longer = Math.max(word.length, candidate.length);
    if (edits > Math.max(Math.min(2, longer - 1), Math.floor(word.length / 3))) continue;
    // Letters in the wrong order are the commonest slip, but two edits: they win a draw.
    const far = edits - (letters(lower) === letters(other) ? 0.5 : 0);
    if (best === undefined || far < best.far) best = { candidate, far };
  }
  return best?.candidate;
}

function letters(word: string): string {
  return [...word].sort().join('');
}

/** `; did you mean "x"?`, or nothing. */
export function didYouMean(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? '' : `; did you mean "${near}"?`;
}
