import { open, readFile, rm } from 'node:fs/promises';
import { UnavailableError } from '@millwright/protocol';
import { isAlive } from './postmaster.ts';

/** Keeps a second controller from stopping and starting the server of the first. */
export class OwnerLock {
  readonly #file: string;
  #held = false;

  constructor(file: string) {
    this.#file = file;
  }

  /** @throws UnavailableError `STATE_IN_USE` naming the process that has it */
  async take(): Promise<void> {
    const mine = `${process.pid} ${await bornAt(process.pid)}\n`;
    for (;;) {
      try {
        const handle = await open(this.#file, 'wx', 0o600);
        await handle.writeFile(mine);
        await handle.close();
        this.#held = true;
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const [pid, born] = (await readFile(this.#file, 'utf8').catch(() => '')).trim().split(' ');
      const holder = Number(pid);
      if (holder > 0 && isAlive(holder) && (await bornAt(holder)) === (born ?? '')) {
        throw new UnavailableError('STATE_IN_USE', `process ${holder} runs this database (${this.#file})`, {
          retry: 'never',
          hint: 'stop it first, or use another --state folder',
        });
      }
      await rm(this.#file, { force: true });
    }
  }

  async release(): Promise<void> {
    if (!this.#held) return;
    this.#held = false;
    await rm(this.#file, { force: true });
  }
}

/** Start time in clock ticks, so that a reused pid is not taken for its former owner; empty where the system does not tell. */
async function bornAt(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name in parentheses may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[19] ?? '';
}
