import {
  type ASTNode,
  type Environment,
  EvaluationError,
  type ParseError,
  type ParseResult,
} from '@marcbachmann/cel-js';
import { didYouMean } from '../device/problems.ts';
import { InvalidInputError } from '../errors.ts';
import type { Quality } from '../samples/quality.ts';
import type { Value } from '../samples/value.ts';
import { CEL_TYPES, celEnvironment, type ExpressionType } from './environment.ts';
import { isExpressionName } from './names.ts';
import { type ExpressionInputs, InputUnusable, Scope } from './scope.ts';

const MAX_LENGTH = 2000;

/** An expression that cannot be used, and where in its text: `offset` counts characters from 0. */
export class ExpressionError extends InvalidInputError {
  readonly offset: number;

  constructor(message: string, offset: number, options: { readonly cause?: unknown } = {}) {
    super('EXPRESSION_INVALID', message, options);
    this.offset = offset;
  }
}

/** What an expression yielded. The same object is filled again by the next `evaluate`. */
export interface Outcome {
  readonly value: Value;
  /** As good as the worst input that the result rests on; `bad` = no value. */
  readonly quality: Quality;
  /** One clause for people, when the quality is bad. */
  readonly why: string | undefined;
}

export interface ExpressionOptions {
  /** The names the expression may use. The order is that of `ExpressionInputs`. */
  readonly inputs: Readonly<Record<string, ExpressionType>>;
  readonly result: ExpressionType;
}

/**
 * A condition or computation over points, in CEL (https://cel.dev), checked for names and types before it first runs.
 *
 * A bad or missing input makes the result bad wherever the result rests on it: `p > 3 || alarm` holds when `alarm`
 * does, whatever `p`. `quality.p` is `"good"`, `"uncertain"` or `"bad"`, `age.p` the seconds since it was measured:
 * both can always be read.
 */
export class Expression {
  readonly text: string;
  /** The names that the expression reads in any way. */
  readonly reads: readonly string[];
  readonly #run: ParseResult;
  readonly #scope: Scope;
  readonly #result: ExpressionType;
  readonly #outcome: { value: Value; quality: Quality; why: string | undefined } = {
    ...{ value: null, quality: 'bad', why: 'not evaluated yet' },
  };

  private constructor(text: string, run: ParseResult, options: ExpressionOptions) {
    this.text = text;
    this.#run = run;
    this.#scope = new Scope(options.inputs);
    this.#result = options.result;
    const names = new Set<string>();
    collectNames(run.ast, options.inputs, names);
    this.reads = [...names];
  }

  /** @throws ExpressionError */
  static compile(text: string, options: ExpressionOptions): Expression {
    if (text.length > MAX_LENGTH)
      throw new ExpressionError(`is longer than ${MAX_LENGTH} characters`, MAX_LENGTH);
    const run = parse(environmentFor(options.inputs), text);
    const checked = run.check();
    if (!checked.valid) throw asExpressionError(checked.error, Object.keys(options.inputs));
    if (checked.type !== CEL_TYPES[options.result] && !isWhole(checked.type, options.result))
      throw new ExpressionError(
        `yields ${wording(checked.type)}, but must yield ${wording(options.result)}`,
        0,
      );
    return new Expression(text, run, options);
  }

  /** @returns what it yields for these inputs: valid until the next call */
  evaluate(inputs: ExpressionInputs): Outcome {
    const outcome = this.#outcome;
    this.#scope.begin(inputs);
    try {
      const value: unknown = this.#run(this.#scope.variables);
      const fitting = this.#result === 'number' ? Number(value) : value;
      if (this.#result === 'number' && !Number.isFinite(fitting))
        return this.#failed(`the result is ${fitting}`);
      outcome.value = fitting as Value;
      outcome.quality = this.#scope.worst;
      outcome.why = undefined;
      return outcome;
    } catch (error) {
      if (error instanceof InputUnusable) return this.#failed(error.message);
      if (error instanceof EvaluationError) return this.#failed(error.summary);
      throw error;
    }
  }

  #failed(why: string): Outcome {
    const outcome = this.#outcome;
    outcome.value = null;
    outcome.quality = 'bad';
    outcome.why = why;
    return outcome;
  }
}

/** Rules and devices of a kind use the same names: an environment takes some 30 KiB. The oldest goes first. */
const MAX_ENVIRONMENTS = 64;
const environments = new Map<string, Environment>();
let shared: Environment | undefined;

function environmentFor(inputs: ExpressionOptions['inputs']): Environment {
  const words = JSON.stringify(inputs);
  const known = environments.get(words);
  if (known !== undefined) return known;
  const environment = newEnvironment(inputs);
  const [oldest] = environments.keys();
  if (environments.size >= MAX_ENVIRONMENTS && oldest !== undefined) environments.delete(oldest);
  environments.set(words, environment);
  return environment;
}

function newEnvironment(inputs: ExpressionOptions['inputs']): Environment {
  shared ??= celEnvironment();
  const environment = shared.clone();
  for (const [name, type] of Object.entries(inputs)) {
    if (!isExpressionName(name)) throw new ExpressionError(`cannot use "${name}" as a name`, 0);
    environment.registerVariable(name, CEL_TYPES[type]);
  }
  const names = Object.keys(inputs);
  const fieldsOf = (type: string) => Object.fromEntries(names.map((name) => [name, type]));
  return environment
    .registerVariable({ name: 'quality', schema: fieldsOf('string') })
    .registerVariable({ name: 'age', schema: fieldsOf('double') });
}

function parse(environment: Environment, text: string): ParseResult {
  try {
    return environment.parse(text);
  } catch (error) {
    throw asExpressionError(error, []);
  }
}

function asExpressionError(error: unknown, names: readonly string[]): unknown {
  if (!(error instanceof Error) || !('summary' in error)) return error;
  const { summary, range } = error as ParseError;
  const unknown = /^Unknown variable: (.+)$/.exec(summary)?.[1];
  const message =
    unknown === undefined
      ? summary.replace(/^[A-Z]/, (letter) => letter.toLowerCase())
      : `does not know "${unknown}"${didYouMean(unknown, names)}`;
  return new ExpressionError(message, range?.start ?? 0, { cause: error });
}

function isWhole(type: string | undefined, result: ExpressionType): boolean {
  return result === 'number' && (type === 'int' || type === 'uint');
}

function wording(type: string | undefined): string {
  if (type === 'bool') return 'true or false';
  if (type === 'double' || type === 'int' || type === 'uint' || type === 'number') return 'a number';
  return type === 'string' || type === 'text' ? 'text' : `a ${type}`;
}

/** Both `p` and the `p` of `quality.p`: whatever changes with the input. */
function collectNames(node: unknown, inputs: ExpressionOptions['inputs'], into: Set<string>): void {
  if (Array.isArray(node)) {
    for (const part of node) collectNames(part, inputs, into);
    return;
  }
  if (typeof node === 'string') {
    if (Object.hasOwn(inputs, node)) into.add(node);
    return;
  }
  if (isNode(node)) collectNames(node.args, inputs, into);
}

function isNode(node: unknown): node is ASTNode {
  return typeof node === 'object' && node !== null && 'op' in node && 'args' in node;
}
