import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, delay } from '@millwright/protocol';

/** What a running server tells in `postmaster.pid`. @see PostgreSQL, src/include/utils/pidfile.h */
export interface PostmasterFile {
  readonly pid: number;
  readonly ready: boolean;
}

export async function readPostmasterFile(data: string): Promise<PostmasterFile | undefined> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => undefined);
  const lines = text?.split('\n') ?? [];
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return { pid, ready: lines[7]?.trim() === 'ready' };
}

/** Whether a process runs; one that has ended and was not yet collected by its parent does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    // No such file system here, or gone in this moment.
    return process.platform !== 'linux';
  }
}

/**
 * Server processes that work in `data`, by their working directory; a pid alone proves nothing once pids
 * have wrapped or a container was restarted.
 * @returns undefined where the system does not tell (no /proc)
 */
async function processesIn(data: string): Promise<number[] | undefined> {
  const names = await readdir('/proc').catch(() => undefined);
  if (names === undefined || !names.includes('self')) return undefined;
  const found: number[] = [];
  const real = await realpath(data).catch(() => data);
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    const directory = await readlink(`/proc/${name}/cwd`).catch(() => undefined);
    if (directory === real) found.push(Number(name));
  }
  return found;
}

const ORPHANS_LEAVE_MS = 10_000;

/**
 * Makes sure that no server works in `data`: one that an earlier controller left is stopped in good order, children of
 * a killed one are awaited, and files that keep its place are removed.
 * @param socket path of the server's socket, whether or not it has one
 * @param stopServer stops the server of `data` in good order
 * @returns the pid of the server that was stopped
 */
export async function endLeftover(
  data: string,
  socket: string,
  clock: Clock,
  stopServer: () => Promise<void>,
): Promise<number | undefined> {
  const file = await readPostmasterFile(data);
  const running = await processesIn(data);
  if (running === undefined) {
    if (file === undefined || !isAlive(file.pid)) return undefined;
    await stopServer();
    return file.pid;
  }
  if (file !== undefined && running.includes(file.pid)) {
    await stopServer();
    return file.pid;
  }
  await awaitOrphans(data, clock);
  // The server itself goes by the pid in these files alone: it would not start beside a killed one that nobody has
  // collected, nor beside another process that has the pid by now.
  for (const left of [join(data, 'postmaster.pid'), socket, `${socket}.lock`])
    await rm(left, { force: true });
  return undefined;
}

/** Children notice the end of their postmaster by themselves; one in a long query is ended. */
async function awaitOrphans(data: string, clock: Clock): Promise<void> {
  const deadline = clock.monotonicMs() + ORPHANS_LEAVE_MS;
  for (;;) {
    const left = (await processesIn(data)) ?? [];
    if (left.length === 0) return;
    if (clock.monotonicMs() > deadline) {
      for (const pid of left) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    }
    await delay(clock, 50);
  }
}
