const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** CEL's own words and ours: no input can be called so. */
const RESERVED: ReadonlySet<string> = new Set(
  (
    'true false null in as break const continue else for function if import let loop package namespace return var ' +
    'void while quality age bool int uint double string bytes list map type dyn'
  ).split(' '),
);

/** True when a point or input of this name can stand in an expression as it is. */
export function isExpressionName(name: string): boolean {
  return IDENTIFIER.test(name) && !RESERVED.has(name);
}
