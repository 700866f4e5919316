import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { UnavailableError } from '@millwright/protocol';

const FILE = 'gateway.lock';

/** One gateway per state folder. */
export interface StateLock {
  release(): Promise<void>;
}

/**
 * Claims a state folder for this process. A claim of a process that is no more is taken over.
 * @throws UnavailableError `STATE_LOCKED` while another gateway runs on it; `STATE_DIR` when it cannot be written
 */
export async function lockState(stateDir: string, pid: number): Promise<StateLock> {
  const path = join(stateDir, FILE);
  await mkdir(stateDir, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw unwritable(stateDir, cause);
  });
  for (let attempt = 0; attempt < 3; attempt++) {
    if (await claim(path, stateDir, await wordsOf(pid))) {
      return { release: () => rm(path, { force: true }) };
    }
    const holder = await holderOf(path);
    if (holder !== undefined) {
      throw new UnavailableError('STATE_LOCKED', `${stateDir} is in use by another gateway (pid ${holder})`, {
        retry: 'never',
        hint: 'stop that one first, or give this one another --state folder',
      });
    }
    await rm(path, { force: true });
  }
  throw new UnavailableError('STATE_LOCKED', `${stateDir} is being claimed by another gateway`);
}

async function claim(path: string, stateDir: string, words: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(words);
    } finally {
      await file.close();
    }
    return true;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return false;
    throw unwritable(stateDir, cause);
  }
}

/** @returns the process that holds the lock, or undefined when it is gone */
async function holderOf(path: string): Promise<number | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const pid = Number(text.split(' ', 1)[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0 || !isAlive(pid)) return undefined;
  return text === (await wordsOf(pid)) ? pid : undefined;
}

/** Process numbers are used again: after a power cut the same number may be anybody. Its start time tells. */
async function wordsOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const startedAt = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return `${pid} ${startedAt} ${boot.trim()}`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function unwritable(stateDir: string, cause: unknown): UnavailableError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new UnavailableError('STATE_DIR', `the state folder ${stateDir} cannot be written: ${why}`, {
    hint: 'check that it belongs to this user and the disk has room',
    cause,
  });
}
