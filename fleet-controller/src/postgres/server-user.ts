import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { type Logger, UnavailableError } from '@millwright/protocol';

const run = promisify(execFile);

/** Whom the server runs as when this process is root; PostgreSQL refuses to be root itself. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/** @returns undefined when this process is not root: the server runs as the same user */
export async function serverUser(logger: Logger): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const found = await lookUp();
  if (found !== undefined) return found;
  try {
    await run('useradd', [
      '--system',
      '--user-group',
      '--no-create-home',
      '--home-dir=/nonexistent',
      '--shell=/usr/sbin/nologin',
      'postgres',
    ]);
  } catch (cause) {
    throw new UnavailableError(
      'POSTGRES_USER',
      'PostgreSQL must not run as root, and the system user "postgres" cannot be created',
      { retry: 'never', hint: 'start as an ordinary user, or name a server as database.url', cause },
    );
  }
  const created = await lookUp();
  if (created === undefined) {
    throw new UnavailableError(
      'POSTGRES_USER',
      'the system user "postgres" is not known after its creation',
      {
        retry: 'never',
      },
    );
  }
  logger.info('created the system user "postgres", because PostgreSQL must not run as root');
  return created;
}

async function lookUp(): Promise<ServerUser | undefined> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', 'postgres']), run('id', ['-g', 'postgres'])]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return undefined;
  }
}

/** Whether `user` gets through every folder on the way to `path`. Access lists are not looked at. */
export async function canReach(user: ServerUser, path: string): Promise<boolean> {
  for (let at = path; ; at = dirname(at)) {
    const entry = await stat(at).catch(() => undefined);
    if (entry !== undefined) {
      const bit = entry.uid === user.uid ? 0o100 : entry.gid === user.gid ? 0o010 : 0o001;
      if ((entry.mode & bit) === 0) return false;
    }
    if (dirname(at) === at) return true;
  }
}
