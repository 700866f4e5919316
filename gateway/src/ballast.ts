import { randomBytes } from 'node:crypto';
import { rm, stat, writeFile } from 'node:fs/promises';
import { type Logger, UnavailableError } from '@millwright/protocol';

/** Enough to claim the folder and to open three stores; SQLite needs 32 KiB for each before it reads a byte. */
const SIZE_BYTES = 512 * 1024;

/**
 * Room kept on the disk for the next start: a gateway whose disk has filled up must still come up, say so, and go on
 * in memory.
 */
export class Ballast {
  readonly #path: string;
  readonly #logger: Logger;

  constructor(deps: { readonly path: string; readonly logger: Logger }) {
    this.#path = deps.path;
    this.#logger = deps.logger;
  }

  /** Does `work`, and once more without the ballast when the disk refuses. It must be possible to begin it again. */
  async lift<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const isDisk = error instanceof UnavailableError && error.code !== 'STATE_LOCKED';
      if (!isDisk || !(await this.#exists())) throw error;
      await rm(this.#path, { force: true }).catch(() => undefined);
      this.#logger.error(
        { err: error },
        'the disk seems to be full: started with the room that was kept for that',
      );
      return work();
    }
  }

  /** Takes the room again; does nothing while there is none. */
  async load(): Promise<void> {
    if (await this.#exists()) return;
    try {
      // Random, so that no file system makes it smaller.
      await writeFile(this.#path, randomBytes(SIZE_BYTES), { mode: 0o600 });
    } catch {
      await rm(this.#path, { force: true }).catch(() => undefined);
    }
  }

  async #exists(): Promise<boolean> {
    const found = await stat(this.#path).catch(() => undefined);
    return found?.size === SIZE_BYTES;
  }
}
