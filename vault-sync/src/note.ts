import { createHash } from 'node:crypto';
import { stringify } from 'yaml';

export type Property = string | number | boolean | readonly string[];

/** What we want a note to say. Everything else in it belongs to people. */
export interface NoteSpec {
  /** Identity of the note, whatever its path: the front-matter key `millwright_id`. */
  readonly id: string;
  /** Where it is created, relative to the vault, with `.md`; afterwards it may be moved by anybody. */
  readonly path: string;
  /** Front matter kept true by us, in order. */
  readonly owned: Readonly<Record<string, Property>>;
  /** Front matter written once, when the note is created, and left to people from then on. */
  readonly initial: Readonly<Record<string, Property>>;
  /** Marked blocks, by name. Markdown without a trailing line break. */
  readonly blocks: Readonly<Record<string, string>>;
}

export interface Patched {
  readonly text: string;
  /** Blocks left alone because somebody wrote inside them. */
  readonly edited: readonly string[];
}

const BLOCK_NAME = /^[a-z][a-z0-9-]*$/;

/** A new note with everything in place. */
export function createNote(spec: NoteSpec): string {
  const front = Object.entries({ ...spec.owned, millwright_id: spec.id, ...spec.initial }).map(
    ([key, value]) => propertyLine(key, value),
  );
  const blocks = Object.entries(spec.blocks).map(([name, body]) => block(name, body, '\n'));
  return `---\n${front.join('\n')}\n---\n\n${blocks.join('\n\n')}\n`;
}

/**
 * The same note with our keys and blocks brought up to date and every other byte as it was.
 * A block whose content is not what we wrote last stays, and is named in `edited`; one that was removed stays removed.
 */
export function patchNote(text: string, spec: NoteSpec): Patched {
  const eol = /\r\n/.test(text) ? '\r\n' : '\n';
  let next = patchFrontMatter(text, spec.owned, eol);
  const edited: string[] = [];
  for (const [name, body] of Object.entries(spec.blocks)) {
    const found = findBlock(next, name);
    if (found === undefined) continue;
    if (digest(found.body) !== found.sha) {
      edited.push(name);
      continue;
    }
    next = next.slice(0, found.from) + block(name, body, eol) + next.slice(found.to);
  }
  return { text: next, edited };
}

/** The `millwright_id` of a note, if it is one of ours. */
export function noteId(text: string): string | undefined {
  const front = frontMatter(text);
  if (front === undefined) return undefined;
  const match = /^millwright_id:[ \t]*["']?([^"'\r\n]+?)["']?[ \t]*\r?$/m.exec(front.body);
  return match?.[1];
}

function frontMatter(
  text: string,
): { readonly from: number; readonly to: number; readonly body: string } | undefined {
  const match = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)^---[ \t]*\r?$/m.exec(text);
  if (match === null || match.index !== 0) return undefined;
  const body = match[1] ?? '';
  const from = match[0].indexOf(body, match[0].indexOf('---') + 3);
  return { from, to: from + body.length, body };
}

function patchFrontMatter(text: string, owned: NoteSpec['owned'], eol: string): string {
  const front = frontMatter(text);
  if (front === undefined) return text;
  let body = front.body;
  for (const [key, value] of Object.entries(owned)) {
    const wanted = propertyLine(key, value);
    // A key and the indented or listed lines that belong to its value.
    const present = new RegExp(`^${key}:.*(?:\\r?\\n(?:[ \\t]+\\S.*|-[ \\t].*))*`, 'm');
    const line = wanted.replaceAll('\n', eol);
    body = present.test(body)
      ? body.replace(present, (was) => (was.endsWith('\r') && !line.endsWith('\r') ? `${line}\r` : line))
      : `${body}${line}${eol}`;
  }
  return text.slice(0, front.from) + body + text.slice(front.to);
}

function propertyLine(key: string, value: Property): string {
  return stringify(
    { [key]: value },
    {
      lineWidth: 0,
      defaultStringType: typeof value === 'string' ? 'QUOTE_DOUBLE' : 'PLAIN',
      defaultKeyType: 'PLAIN',
      flowCollectionPadding: false,
      collectionStyle: 'flow',
    },
  )
    .trimEnd()
    .replace(/^\{(.*)\}$/s, '$1');
}

function block(name: string, body: string, eol: string): string {
  if (!BLOCK_NAME.test(name))
    throw new TypeError(`block name "${name}" must be lower-case letters, digits and hyphens`);
  const content = body.replaceAll('\n', eol);
  return `<!-- millwright:begin ${name} sha=${digest(content)} -->${eol}${content}${eol}<!-- millwright:end ${name} -->`;
}

function findBlock(
  text: string,
  name: string,
): { readonly from: number; readonly to: number; readonly body: string; readonly sha: string } | undefined {
  const begin = new RegExp(`<!-- millwright:begin ${name} sha=([0-9a-f]+) -->\\r?\\n`).exec(text);
  if (begin === null) return undefined;
  const bodyFrom = begin.index + begin[0].length;
  const endMark = `<!-- millwright:end ${name} -->`;
  const endAt = text.indexOf(endMark, bodyFrom);
  if (endAt < 0) return undefined;
  const body = text.slice(bodyFrom, endAt).replace(/\r?\n$/, '');
  return { from: begin.index, to: endAt + endMark.length, body, sha: begin[1] ?? '' };
}

/** Line endings do not count: a sync tool that rewrites them has not edited anything. */
function digest(body: string): string {
  return createHash('sha256').update(body.replaceAll('\r\n', '\n')).digest('hex').slice(0, 12);
}
