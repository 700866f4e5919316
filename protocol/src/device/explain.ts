import type { z } from 'zod';
import { didYouMean, type KeyPath, type Problems, pathText, shown } from './problems.ts';
import { knownKeys } from './schema-keys.ts';
import type { YamlDocument } from './yaml-source.ts';

const MAX_KEYS_LISTED = 16;

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'must be text (in quotes when it looks like a number)',
  number: 'must be a number',
  int: 'must be a whole number',
  boolean: 'must be true or false',
  array: 'must be a list',
  tuple: 'must be a list',
  object: 'must be a map of "key: value"',
  record: 'must be a map of "key: value"',
};

/** Our words for zod's own messages; a message written in a schema goes first. */
function wording(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return EXPECTED[issue.expected];
    case 'invalid_value':
      return `must be ${oneOf(issue.values)}`;
    case 'invalid_union':
      return Array.isArray(issue.options) ? `must be ${oneOf(issue.options)}` : undefined;
    case 'too_small':
      return `must ${amount(issue.origin)}at least ${issue.inclusive === false ? 'more than ' : ''}${issue.minimum}${things(issue.origin)}`;
    case 'too_big':
      return `must ${amount(issue.origin)}at most ${issue.inclusive === false ? 'less than ' : ''}${issue.maximum}${things(issue.origin)}`;
    case 'invalid_format':
      return issue.format === 'starts_with' ? `must start with "${issue.prefix}"` : undefined;
    default:
      return undefined;
  }
}

function oneOf(values: readonly unknown[]): string {
  const words = values.map((value) => (typeof value === 'string' ? `"${value}"` : String(value)));
  return words.length === 1 ? `${words[0]}` : `one of ${words.join(', ')}`;
}

function amount(origin: string): string {
  return origin === 'string' || origin === 'array' ? 'have ' : 'be ';
}

function things(origin: string): string {
  if (origin === 'string') return ' characters';
  return origin === 'array' ? ' entries' : '';
}

export interface CheckOptions {
  /** Where in the document the value stands. */
  readonly at?: KeyPath;
  /** The same for people, when a name says more than a position. */
  readonly label?: string;
}

export type Checked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false };

/** Validates a part of a document; what is wrong goes to `problems`. */
export function checkValue<T>(
  document: YamlDocument,
  value: unknown,
  schema: z.ZodType<T>,
  problems: Problems,
  options: CheckOptions = {},
): Checked<T> {
  const result = schema.safeParse(value, { error: wording, reportInput: true });
  if (result.success) return { ok: true, value: result.data };
  const at = options.at ?? [];
  const label = options.label ?? pathText(at);
  const told = new Set<string>();
  for (const issue of flatten(result.error.issues)) {
    const inside = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
    const path = [...at, ...inside];
    const text = join(label, inside);
    if (issue.code === 'unrecognized_keys') {
      const known = knownKeys(schema, inside, value);
      for (const key of issue.keys) {
        problems.add(
          document.file,
          document.placeOfKey([...path, key]),
          join(text, [key]),
          unknownKey(key, known),
        );
      }
      continue;
    }
    // Further rules about the same bad scalar only repeat the first.
    if (told.has(text) && !(typeof issue.input === 'object' && issue.input !== null)) continue;
    told.add(text);
    if (issue.code === 'invalid_key') {
      const why = issue.issues[0]?.message ?? issue.message;
      problems.add(document.file, document.placeOfKey(path), text, `the name ${why}`);
      continue;
    }
    problems.add(document.file, document.place(path), text, explain(issue, document.written(path)));
  }
  return { ok: false };
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = didYouMean(key, known);
  if (near !== '') return `unknown key${near}`;
  if (known.length === 0) return 'unknown key; no keys are allowed here';
  const more = known.length > MAX_KEYS_LISTED ? ', …' : '';
  return `unknown key; known are ${known.slice(0, MAX_KEYS_LISTED).join(', ')}${more}`;
}

function explain(issue: z.core.$ZodIssue, written: string | undefined): string {
  const input = inputOf(issue);
  if (input === undefined) return `is missing; it ${issue.message}`;
  const got = written === undefined ? shown(input) : `${written} with its variables filled in`;
  const told = issue.code === 'custom' && (typeof input === 'object' || issue.message.includes(shown(input)));
  return `${issue.message}${told ? '' : `; got ${got}`}${suggestion(issue, input)}`;
}

/** An unknown variant is reported at its tag, but with the whole map as input. */
function inputOf(issue: z.core.$ZodIssue): unknown {
  const { input } = issue;
  if (issue.code !== 'invalid_union' || typeof input !== 'object' || input === null) return input;
  return issue.discriminator === undefined ? input : Reflect.get(input, issue.discriminator);
}

function suggestion(issue: z.core.$ZodIssue, input: unknown): string {
  if (typeof input !== 'string') return '';
  let values: readonly unknown[] = [];
  if (issue.code === 'invalid_value') values = issue.values;
  else if (issue.code === 'invalid_union' && 'options' in issue) values = issue.options ?? [];
  return didYouMean(
    input,
    values.filter((value) => typeof value === 'string'),
  );
}

/** A union that fitted nowhere is explained by the branch that came closest. */
function flatten(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue[] {
  return issues.flatMap((issue) => {
    if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue];
    const ranked = issue.errors
      .map((branch) => flatten(branch))
      .toSorted((a, b) => reach(b) - reach(a) || a.length - b.length);
    const [best = [], ...others] = ranked;
    const [only] = best;
    if (only !== undefined && reach(best) === 0) {
      const messages = [best, ...others].flatMap((branch) => branch.map((each) => each.message));
      const message = [...new Set(messages)].join(', or ');
      return [{ ...only, path: [...issue.path, ...only.path], message }];
    }
    return best.map((each) => ({ ...each, path: [...issue.path, ...each.path] }));
  });
}

/** How far a branch got: a wrong type or literal at the top means it was not the one meant. */
function reach(branch: readonly z.core.$ZodIssue[]): number {
  const depth = Math.max(0, ...branch.map((issue) => issue.path.length));
  const near = branch.some((issue) => issue.code !== 'invalid_type' && issue.code !== 'invalid_value');
  return 2 * depth + (near ? 1 : 0);
}

function join(label: string, path: KeyPath): string {
  const rest = pathText(path);
  return label === '' || rest === '' || rest.startsWith('[') ? `${label}${rest}` : `${label}.${rest}`;
}
