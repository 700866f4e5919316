import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  Scalar,
} from 'yaml';
import { type KeyPath, type Place, type Problems, pathText } from './problems.ts';
import { substitute, type Variables } from './variables.ts';

/** A YAML file by name (for messages) and text. */
export interface SourceFile {
  readonly name: string;
  readonly text: string;
}

/** Room for some forty thousand points in one file. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;
/** Aliases count as often as they are used: a small file must not unfold into a large one. */
const MAX_NODES = 1_000_000;
const MAX_DEPTH = 64;
/** One fault in the syntax makes many: the first few say it. */
const MAX_SYNTAX_PROBLEMS = 5;
const MAX_HINT_CHARS = 200;
const TOO_DEEP = 'is nested too deeply to be read';

interface Built {
  readonly value: unknown;
  readonly nodes: number;
}

/** One YAML document as plain values that still knows where each of them was written. */
export class YamlDocument {
  readonly file: string;
  readonly value: unknown;
  readonly #text: string;
  readonly #root: Node | null;
  readonly #lines: LineCounter;
  readonly #problems: Problems;
  readonly #variables: Variables;
  readonly #anchors = new Map<string, { readonly node: Node; built: Built | undefined }>();
  readonly #aliases = new Map<Node, Node>();
  readonly #written = new Map<Node, string>();
  readonly #document: Document.Parsed;
  #nodes = 0;
  #tooLarge = false;

  constructor(
    source: SourceFile,
    document: Document.Parsed,
    lines: LineCounter,
    problems: Problems,
    variables: Variables,
  ) {
    this.file = source.name;
    this.#text = source.text;
    this.#document = document;
    this.#root = document.contents;
    this.#lines = lines;
    this.#problems = problems;
    this.#variables = variables;
    this.value = this.#build(document.contents, []).value;
  }

  /** Where the value at `path` was written; for a missing one, where its nearest parent was. */
  place(path: KeyPath): Place {
    return this.#placeOf(this.#find(path).node);
  }

  /** Where character `offset` of the text at `path` was written, as far as it stands there letter by letter. */
  placeInside(path: KeyPath, text: string, offset: number): Place {
    const { node } = this.#find(path);
    const inside = node === undefined ? undefined : (this.#aliases.get(node) ?? node);
    const start = (inside?.range?.[0] ?? 0) + (isScalar(inside) && isQuoted(inside) ? 1 : 0);
    const isPlain = isScalar(inside) && this.#text.startsWith(text.slice(0, offset), start);
    if (!isPlain) return this.#placeOf(node);
    const at = this.#lines.linePos(start + offset);
    return { line: at.line, column: at.col };
  }

  /** Where the last key of `path` was written. */
  placeOfKey(path: KeyPath): Place {
    const { key, node } = this.#find(path);
    return this.#placeOf(key ?? node);
  }

  /** What was written when a variable was put in its place: a message must not show what may be a secret. */
  written(path: KeyPath): string | undefined {
    const { node } = this.#find(path);
    return node === undefined ? undefined : this.#written.get(node);
  }

  #placeOf(node: Node | undefined): Place {
    const at = this.#lines.linePos(node?.range?.[0] ?? this.#document.range[0]);
    return { line: Math.max(1, at.line), column: Math.max(1, at.col) };
  }

  #find(path: KeyPath): { readonly node: Node | undefined; readonly key: Node | undefined } {
    let node: Node | undefined = this.#root ?? undefined;
    let key: Node | undefined;
    for (const step of path) {
      const inside: Node | undefined = node === undefined ? undefined : (this.#aliases.get(node) ?? node);
      let next: unknown;
      if (isMap(inside)) {
        const pair = inside.items.find((item) => isScalar(item.key) && item.key.value === String(step));
        if (pair === undefined) break;
        key = isScalar(pair.key) ? pair.key : undefined;
        next = pair.value ?? pair.key;
      } else if (isSeq(inside)) {
        next = inside.items[Number(step)];
      }
      if (!isMap(next) && !isSeq(next) && !isScalar(next) && !isAlias(next)) break;
      node = next;
    }
    return { node, key };
  }

  #report(node: Node | undefined, path: KeyPath, what: string): Built {
    this.#problems.add(this.file, this.#placeOf(node), pathText(path), what);
    return { value: null, nodes: 1 };
  }

  #build(node: unknown, path: KeyPath): Built {
    if (this.#tooLarge) return { value: null, nodes: 0 };
    if (!isMap(node) && !isSeq(node) && !isScalar(node) && !isAlias(node)) return { value: null, nodes: 1 };
    if (path.length > MAX_DEPTH) {
      this.#tooLarge = true;
      return this.#report(node, path.slice(0, 3), `is nested deeper than ${MAX_DEPTH} levels`);
    }
    if (isAlias(node)) return this.#buildAlias(node, path);
    const anchor = { node, built: undefined as Built | undefined };
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, anchor);
    this.#count(1, node, path);
    if (isScalar(node)) anchor.built = { value: this.#scalar(node, path), nodes: 1 };
    else if (isSeq(node)) {
      const items = node.items.map((item, index) => this.#build(item, [...path, index]));
      anchor.built = { value: items.map((item) => item.value), nodes: sum(items) };
    } else anchor.built = this.#buildMap(node.items, path);
    return anchor.built;
  }

  #buildMap(items: readonly { readonly key: unknown; readonly value: unknown }[], path: KeyPath): Built {
    const value: Record<string, unknown> = {};
    const seen = new Map<string, Node>();
    const built: Built[] = [];
    for (const { key, value: item } of items) {
      if (!isScalar(key)) continue;
      const name = String(key.value);
      const first = seen.get(name);
      if (first !== undefined) {
        this.#report(key, [...path, name], `is given twice; first on line ${this.#placeOf(first).line}`);
        continue;
      }
      if (name === '__proto__') {
        this.#report(key, path, 'the key "__proto__" is not allowed');
        continue;
      }
      seen.set(name, key);
      const inner = this.#build(item, [...path, name]);
      value[name] = inner.value;
      built.push(inner);
    }
    return { value, nodes: sum(built) };
  }

  #buildAlias(node: Node & { readonly source: string }, path: KeyPath): Built {
    const anchor = this.#anchors.get(node.source);
    if (anchor === undefined) return this.#report(node, path, `no anchor "&${node.source}" comes before it`);
    if (anchor.built === undefined)
      return this.#report(node, path, `"*${node.source}" would contain itself for ever`);
    this.#aliases.set(node, anchor.node);
    this.#count(anchor.built.nodes, node, path);
    return anchor.built;
  }

  #count(nodes: number, node: Node, path: KeyPath): void {
    this.#nodes += nodes;
    if (this.#nodes <= MAX_NODES || this.#tooLarge) return;
    this.#tooLarge = true;
    this.#report(node, path, `the file unfolds to more than ${MAX_NODES} values; use fewer aliases`);
  }

  #scalar(node: Scalar, path: KeyPath): unknown {
    if (typeof node.value !== 'string' || !node.value.includes('${')) return node.value;
    const result = substitute(node.value, this.#variables);
    if (!result.ok) return this.#report(node, path, result.what).value;
    this.#written.set(node, node.value);
    return node.type === Scalar.PLAIN ? this.#plainValue(result.text) : result.text;
  }

  /** What YAML makes of a plain scalar: `80` is a number, `true` a boolean. */
  #plainValue(text: string): unknown {
    for (const tag of this.#document.schema.tags) {
      if (tag.default !== true || tag.collection !== undefined || tag.test?.test(text) !== true) continue;
      const resolved = tag.resolve(text, () => undefined, this.#document.options);
      return isScalar(resolved) ? resolved.value : resolved;
    }
    return text;
  }
}

/**
 * Reads all documents of a file. What cannot be read is added to `problems`, and only what can is returned;
 * empty documents are left out.
 */
export function readYaml(file: SourceFile, variables: Variables, problems: Problems): YamlDocument[] {
  const start = { line: 1, column: 1 };
  const sizeBytes = file.text.length > MAX_FILE_BYTES ? file.text.length : utf8Length(file.text);
  if (sizeBytes > MAX_FILE_BYTES) {
    problems.add(file.name, start, '', `is larger than ${MAX_FILE_BYTES} bytes`);
    return [];
  }
  const lines = new LineCounter();
  try {
    const parsed = parseAllDocuments(file.text, {
      lineCounter: lines,
      prettyErrors: false,
      stringKeys: true,
      // Found while building, where both places are known.
      uniqueKeys: false,
      logLevel: 'silent',
    });
    const documents: YamlDocument[] = [];
    for (const document of Array.isArray(parsed) ? parsed : []) {
      const faults = [...document.errors, ...document.warnings];
      const deep = faults.find((fault) => fault.code === 'RESOURCE_EXHAUSTION');
      for (const fault of deep === undefined ? faults.slice(0, MAX_SYNTAX_PROBLEMS) : [deep]) {
        const at = lines.linePos(fault.pos[0]);
        const what = fault === deep ? TOO_DEEP : `${fault.message}${flowHint(file.text, fault.pos[0])}`;
        problems.add(file.name, { line: Math.max(1, at.line), column: Math.max(1, at.col) }, '', what);
      }
      if (faults.length > 0 || isEmpty(document)) continue;
      documents.push(new YamlDocument(file, document, lines, problems, variables));
    }
    return documents;
  } catch (cause) {
    // The parser recurses: a file of a hundred thousand brackets ends its stack.
    if (!(cause instanceof RangeError)) throw cause;
    problems.add(file.name, start, '', TOO_DEEP);
    return [];
  }
}

function isQuoted(node: Scalar): boolean {
  return node.type === Scalar.QUOTE_DOUBLE || node.type === Scalar.QUOTE_SINGLE;
}

function isEmpty(document: Document.Parsed): boolean {
  const { contents } = document;
  return contents === null || (isScalar(contents) && contents.value === null && contents.source === '');
}

/** Braces end a plain scalar inside `{ }` and `[ ]`, which nobody expects of a variable. */
function flowHint(text: string, offset: number): string {
  const from = Math.max(text.lastIndexOf('\n', offset - 1) + 1, offset - MAX_HINT_CHARS);
  const reference = text.lastIndexOf('${', offset);
  const inFlow = reference >= from && /[[{,]/.test(text.slice(from, reference));
  return inFlow ? `; inside { } or [ ] write a variable in quotes: "\${NAME}"` : '';
}

function sum(parts: readonly Built[]): number {
  let nodes = 1;
  for (const part of parts) nodes += part.nodes;
  return nodes;
}

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}
