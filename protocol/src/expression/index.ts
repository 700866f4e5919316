export { type ExpressionType, FUNCTIONS as EXPRESSION_FUNCTIONS } from './environment.ts';
export {
  Expression,
  ExpressionError,
  type ExpressionOptions,
  type Outcome,
} from './expression.ts';
export { isExpressionName } from './names.ts';
export type { ExpressionInputs } from './scope.ts';
