import { Environment } from '@marcbachmann/cel-js';

/** What an expression reads or yields. A number is a double: 64-bit integers beyond ±2^53 lose their last digits. */
export type ExpressionType = 'bool' | 'number' | 'text';

export const CEL_TYPES: Readonly<Record<ExpressionType, string>> = {
  bool: 'bool',
  number: 'double',
  text: 'string',
};

type Binary = (a: number, b: number) => number | boolean;

/** CEL keeps whole numbers and doubles apart; people write `power * 2`. */
const MIXED: Readonly<Record<string, Binary>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '==': (a, b) => a === b,
};

const ONE: Readonly<Record<string, (x: number) => number>> = {
  abs: Math.abs,
  ceil: Math.ceil,
  floor: Math.floor,
  round: Math.round,
  sqrt: Math.sqrt,
};
const TWO: Readonly<Record<string, (a: number, b: number) => number>> = {
  min: Math.min,
  max: Math.max,
  pow: Math.pow,
};
const NUMBERS = ['double', 'int'] as const;

/** Functions of expressions beyond CEL's own, for error messages and guides. */
export const FUNCTIONS: readonly string[] = [...Object.keys(ONE), ...Object.keys(TWO)];

/** CEL with points as doubles, and a few functions of arithmetic. Bounds: 500 nodes, 50 deep. */
export function celEnvironment(): Environment {
  const environment = new Environment({
    unlistedVariablesAreDyn: false,
    limits: { maxAstNodes: 500, maxDepth: 50, maxListElements: 100, maxMapEntries: 20, maxCallArguments: 8 },
  });
  for (const [operator, run] of Object.entries(MIXED)) {
    environment.registerOperator(`double ${operator} int`, (a: number, b: bigint) => run(a, Number(b)));
    if (operator !== '==')
      // Without a type of its own a result would count as whole, as its left side.
      environment.registerOperator(`int ${operator} double: double`, (a: bigint, b: number) =>
        run(Number(a), b),
      );
  }
  for (const [name, run] of Object.entries(ONE)) {
    for (const type of NUMBERS)
      environment.registerFunction(`${name}(${type}): double`, (x: number | bigint) => run(Number(x)));
  }
  for (const [name, run] of Object.entries(TWO)) {
    for (const a of NUMBERS) {
      for (const b of NUMBERS) {
        environment.registerFunction(
          `${name}(${a}, ${b}): double`,
          (x: number | bigint, y: number | bigint) => run(Number(x), Number(y)),
        );
      }
    }
  }
  return environment;
}
