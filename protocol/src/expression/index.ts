export { type ExpressionType, FUNCTIONS as EXPRESSION_FUNCTIONS } from './environment.ts';
export {
  Expression,
  ExpressionError,
  type ExpressionOptions,
  isExpressionName,
  type Outcome,
} from './expression.ts';
export type { ExpressionInputs } from './scope.ts';
