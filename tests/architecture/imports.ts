import { posix } from 'node:path';
import { parseSync } from 'oxc-parser';
import { z } from 'zod';
import type { Repo } from './repo.ts';
import { roomOfPath } from './rooms.ts';

export interface Import {
  readonly from: string;
  readonly specifier: string;
}

const SOURCE = /\.(ts|tsx|mts)$/;

export function sourcePaths(repo: Repo): string[] {
  return repo.paths.filter((path) => SOURCE.test(path));
}

/** Every import of a file: static, type-only, re-export, and dynamic where the module is named. */
export function importsOf(repo: Repo, path: string): Import[] {
  const text = repo.text(path);
  const { module, errors } = parseSync(path, text);
  if (errors.length > 0) throw new SyntaxError(`${path}: ${errors[0]?.message}`);
  const reExports = module.staticExports.flatMap(({ entries }) =>
    entries.flatMap(({ moduleRequest }) => (moduleRequest === null ? [] : [moduleRequest.value])),
  );
  const dynamic = module.dynamicImports.flatMap(({ moduleRequest }) => {
    const literal = /^(['"`])([^'"`$]+)\1$/.exec(text.slice(moduleRequest.start, moduleRequest.end));
    return literal?.[2] === undefined ? [] : [literal[2]];
  });
  const all = [...module.staticImports.map((each) => each.moduleRequest.value), ...reExports, ...dynamic];
  return [...new Set(all)].map((specifier) => ({ from: path, specifier }));
}

/** `@scope/name` or `name` of a bare specifier; undefined for relative and `node:` ones. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:') || specifier.startsWith('/'))
    return undefined;
  const [first = '', second = ''] = specifier.split('/');
  return first.startsWith('@') ? `${first}/${second}` : first;
}

/** Where a relative import leads, as a path of the repository. */
export function targetOf({ from, specifier }: Import): string | undefined {
  return specifier.startsWith('.') ? posix.normalize(posix.join(posix.dirname(from), specifier)) : undefined;
}

const Manifest = z.object({
  exports: z.record(z.string(), z.string()).default({}),
  dependencies: z.record(z.string(), z.string()).default({}),
  devDependencies: z.record(z.string(), z.string()).default({}),
  optionalDependencies: z.record(z.string(), z.string()).default({}),
});
export type Manifest = z.infer<typeof Manifest>;

/** @param room '' for the root */
export function manifestOf(repo: Repo, room: string): Manifest {
  return Manifest.parse(JSON.parse(repo.text(room === '' ? 'package.json' : `${room}/package.json`)));
}

/** Rooms that are there, in the order of their paths. */
export function roomsOf(repo: Repo): string[] {
  const manifests = repo.paths.filter((path) => /^[^/]+\/package\.json$/.test(path));
  return manifests.map((path) => roomOfPath(path));
}
