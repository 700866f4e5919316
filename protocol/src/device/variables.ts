/** Values for `${NAME}` in a configuration file; the cli hands in the environment. */
export type Variables = Readonly<Record<string, string | undefined>>;

const REFERENCE = /\$(\$\{)|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{([^}]*)\}?/g;

export type Substitution =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly what: string };

/**
 * Replaces `${NAME}` and `${NAME:-default}`; the default is taken when the variable is unset or empty.
 * `$${` stands for a literal `${`.
 */
export function substitute(text: string, variables: Variables): Substitution {
  let what: string | undefined;
  const result = text.replace(REFERENCE, (whole, escaped, name, fallback) => {
    if (escaped !== undefined) return '${';
    if (name === undefined) {
      what ??= `"${whole}" is not a variable; write \${NAME} or \${NAME:-default}, or $\${ for a plain \${`;
      return '';
    }
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
    if (value === undefined) {
      what ??= `variable ${name} is not set and has no default; set it, or write \${${name}:-default}`;
      return '';
    }
    return value;
  });
  return what === undefined ? { ok: true, text: result } : { ok: false, what };
}
