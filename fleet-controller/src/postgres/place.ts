import { createHash, randomBytes } from 'node:crypto';
import { chmod, chown, cp, lstat, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Logger, UnavailableError } from '@millwright/protocol';
import { type PostgresBinaries, program } from './binaries.ts';
import { canReach, type ServerUser } from './server-user.ts';

/** Where a server keeps its files, and the programs it can execute. */
export interface Place {
  readonly directory: string;
  readonly binaries: PostgresBinaries;
}

const SHARED = '/var/lib/millwright';
const POINTER = 'postgres.place';

/**
 * `<state>/postgres`, unless the server's user cannot reach it (a state folder below a closed home): then a
 * folder of its own under `/var/lib/millwright`, noted in `<state>/postgres.place`, so that the next start
 * finds the data again whatever the folders' modes are by then. Programs out of reach are copied likewise.
 */
export async function choosePlace(options: {
  readonly state: string;
  readonly user: ServerUser | undefined;
  readonly binaries: PostgresBinaries;
  readonly logger: Logger;
  /** Folder for what the user cannot reach where it is; root's. */
  readonly shared?: string;
}): Promise<Place> {
  const { state, user, binaries, logger, shared = SHARED } = options;
  await mkdir(state, { recursive: true });
  const own = join(state, 'postgres');
  const noted = await readFile(join(state, POINTER), 'utf8').catch(() => undefined);
  const directory = noted?.trim() ?? own;
  if (user === undefined) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return { directory, binaries };
  }
  const reachable = noted !== undefined || (await canReach(user, state));
  const place = reachable ? directory : join(shared, digest(state), 'postgres');
  if (!reachable) {
    await makeOwned(shared, 0o755);
    await makeOwned(dirname(place), 0o711);
  }
  await mkdir(place, { recursive: true, mode: 0o700 });
  await chown(place, user.uid, user.gid);
  if (!reachable) {
    await writeFile(join(state, POINTER), `${place}\n`);
    logger.info(
      { directory: place },
      `the user "postgres" cannot reach ${state}: the database is kept in ${place}`,
    );
  }
  return { directory: place, binaries: await reachableBinaries(binaries, user, shared, logger) };
}

async function reachableBinaries(
  binaries: PostgresBinaries,
  user: ServerUser,
  shared: string,
  logger: Logger,
): Promise<PostgresBinaries> {
  if (binaries.root === undefined || (await canReach(user, binaries.bin))) return binaries;
  const { size, mtimeMs } = await stat(program(binaries, 'postgres'));
  const root = join(shared, `postgresql-${digest(`${binaries.root} ${size} ${mtimeMs}`)}`);
  const copy = { bin: join(root, basename(binaries.bin)), root };
  await makeOwned(shared, 0o755);
  if (await isOwned(root)) return copy;
  const fresh = `${root}.${randomBytes(6).toString('hex')}`;
  await cp(binaries.root, fresh, { recursive: true, verbatimSymlinks: true });
  // Another region may have made the same copy in the meantime: either will do.
  await rename(fresh, root).catch(() => rm(fresh, { recursive: true, force: true }));
  logger.info({ directory: root }, `the user "postgres" cannot reach ${binaries.root}: copied to ${root}`);
  return copy;
}

/** A folder of root's that nobody else can have put there. */
async function makeOwned(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path);
    await chmod(path, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  if (await isOwned(path)) return;
  throw new UnavailableError('POSTGRES_PLACE', `${path} is not a folder of root's alone`, {
    retry: 'never',
    hint: `remove it, or put the state into a folder that the user "postgres" can reach`,
  });
}

async function isOwned(path: string): Promise<boolean> {
  const entry = await lstat(path).catch(() => undefined);
  return entry?.isDirectory() === true && entry.uid === 0 && (entry.mode & 0o022) === 0;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
