import type { z } from 'zod';
import { checkValue } from './explain.ts';
import { Problems } from './problems.ts';
import type { Variables } from './variables.ts';
import { readYaml, type SourceFile } from './yaml-source.ts';

export type { SourceFile, Variables };

/**
 * Reads a configuration file: one YAML 1.2 document of at most 4 MiB, checked against a strict schema.
 * `${NAME}` and `${NAME:-default}` are taken from `variables`: a plain scalar gets its YAML type afterwards
 * (`port: ${PORT:-80}` is a number), a quoted one stays text.
 *
 * @throws InvalidInputError `CONFIG_INVALID` with one line per problem: `file:line:column: path: what is wrong`
 */
export function parseYamlDocument<T>(
  file: SourceFile,
  schema: z.ZodType<T>,
  options: { readonly variables?: Variables } = {},
): T {
  const problems = new Problems();
  const documents = readYaml(file, options.variables ?? {}, problems);
  problems.throwIfAny();
  const [document, second] = documents;
  if (document === undefined) {
    problems.add(file.name, { line: 1, column: 1 }, '', 'is empty');
  } else {
    if (second !== undefined)
      problems.add(file.name, second.place([]), '', 'a second document is not allowed here');
    const checked = checkValue(document, document.value, schema, problems);
    if (checked.ok && problems.count === 0) return checked.value;
  }
  return problems.throwAll();
}
