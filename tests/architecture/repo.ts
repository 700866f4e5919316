import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The files a rule looks at; paths have forward slashes and begin at the top of the repository. */
export interface Repo {
  readonly paths: readonly string[];
  text(path: string): string;
}

/** What git knows of or would add: build results and dependencies are left out. */
export function readRepo(): Repo {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  const paths = [...new Set(listed.split('\0'))].filter(
    (path) => path !== '' && existsSync(join(root, path)),
  );
  const texts = new Map<string, string>();
  return {
    paths,
    text: (path) => {
      const text = texts.get(path) ?? readFileSync(join(root, path), 'utf8');
      texts.set(path, text);
      return text;
    },
  };
}

/** A repository made up by a test, to see a rule fail. */
export function memoryRepo(files: Readonly<Record<string, string>>): Repo {
  return {
    paths: Object.keys(files),
    text: (path) => files[path] ?? '',
  };
}
