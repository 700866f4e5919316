/** What a template reads, in the words of a device file. */
export interface TemplateMeaning {
  /** JSONPath into the payload; absent: the payload itself. */
  readonly pick?: string;
  readonly scale?: number;
}

export type TemplateReading =
  | ({ readonly ok: true } & TemplateMeaning)
  /** `why` is the rest of a sentence that begins with the entity. */
  | { readonly ok: false; readonly why: string };

const MAX_LENGTH = 300;
const MAX_STEPS = 16;
/** They change how a value is shown, not which it is. */
const HARMLESS = /^(float|int|round|default|is_defined|string)$/;

/**
 * Reads the templates that only pick a value: `{{ value }}`, `{{ value_json.a['b'][0] | float }}`, also with a factor
 * (`… / 10`). Everything else is a program, and is not run.
 */
export function readTemplate(template: string): TemplateReading {
  const refuse = (why: string): TemplateReading => ({ ok: false, why });
  if (template.length > MAX_LENGTH) return refuse(`has a template of more than ${MAX_LENGTH} characters`);
  const inner = /^\s*\{\{-?(.*?)-?\}\}\s*$/s.exec(template)?.[1];
  if (inner === undefined || inner.includes('{{') || inner.includes('{%')) {
    return refuse(`has a template that computes: ${template}`);
  }
  const scanner = new Scanner(inner);
  const reading = expression(scanner);
  return reading !== undefined && scanner.isDone
    ? { ok: true, ...reading }
    : refuse(`has a template that computes: ${template}`);
}

/** A step of a path as RFC 9535 writes it. */
function step(name: string | number): string {
  return typeof name === 'number'
    ? `[${name}]`
    : `['${name.replace(/[\\']/g, (character) => `\\${character}`)}']`;
}

function expression(scanner: Scanner): TemplateMeaning | undefined {
  const operand = parenthesised(scanner) ?? filtered(scanner);
  if (operand === undefined) return undefined;
  const operator = scanner.take(/[*/]/y);
  if (operator === undefined) return operand;
  const factor = Number(scanner.take(/\d+(\.\d+)?/y) ?? Number.NaN);
  if (!(factor > 0)) return undefined;
  while (filter(scanner));
  return { ...operand, scale: operator === '*' ? factor : 1 / factor };
}

function parenthesised(scanner: Scanner): TemplateMeaning | undefined {
  if (scanner.take(/\(/y) === undefined) return undefined;
  const operand = filtered(scanner);
  if (operand === undefined || scanner.take(/\)/y) === undefined) return undefined;
  while (filter(scanner));
  return operand;
}

function filtered(scanner: Scanner): TemplateMeaning | undefined {
  const root = scanner.take(/value_json\b|value\b/y);
  if (root === undefined) return undefined;
  if (root === 'value') {
    while (filter(scanner));
    return {};
  }
  const steps: string[] = [];
  for (let next = pathStep(scanner); next !== undefined; next = pathStep(scanner)) steps.push(step(next));
  if (steps.length > MAX_STEPS) return undefined;
  while (filter(scanner));
  return { pick: `$${steps.join('')}` };
}

function pathStep(scanner: Scanner): string | number | undefined {
  const name = scanner.take(/\.\s*[A-Za-z_]\w*/y);
  if (name !== undefined) return name.slice(1).trim();
  const quoted = scanner.take(/\[\s*(?:'[^'\\\p{Cc}]*'|"[^"\\\p{Cc}]*")\s*\]/uy);
  if (quoted !== undefined) return quoted.slice(1, -1).trim().slice(1, -1);
  const index = scanner.take(/\[\s*\d{1,4}\s*\]/y);
  return index === undefined ? undefined : Number(index.slice(1, -1));
}

/** @returns whether there was one */
function filter(scanner: Scanner): boolean {
  const text = scanner.take(/\|\s*[a-z_]+(?:\s*\(\s*(?:-?[\d.]+|'[^']*'|"[^"]*"|true|false|none)?\s*\))?/iy);
  if (text === undefined) return false;
  const name = /[a-z_]+/i.exec(text)?.[0] ?? '';
  if (HARMLESS.test(name)) return true;
  scanner.fail();
  return false;
}

class Scanner {
  readonly #text: string;
  #at = 0;
  #failed = false;

  constructor(text: string) {
    this.#text = text;
  }

  get isDone(): boolean {
    this.#skip();
    return !this.#failed && this.#at === this.#text.length;
  }

  fail(): void {
    this.#failed = true;
  }

  /** @param pattern sticky */
  take(pattern: RegExp): string | undefined {
    this.#skip();
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #skip(): void {
    while (/\s/.test(this.#text.charAt(this.#at))) this.#at++;
  }
}
