import { rename, rm, writeFile } from 'node:fs/promises';
import type { Logger } from '../../logger.ts';

/** A file that tells other programs where this one is found; it is there while this one is ready. */
export class ReadyFile {
  readonly #path: string;
  readonly #logger: Logger;
  #writing: Promise<void> = Promise.resolve();

  constructor(deps: { readonly logger: Logger }, path: string) {
    this.#logger = deps.logger;
    this.#path = path;
  }

  /** Replaces the content as a whole: a reader never sees half of it. It holds secrets: only its owner may read it. */
  async write(content: object): Promise<void> {
    const write = async () => {
      const fresh = `${this.#path}.new`;
      await writeFile(fresh, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
      await rename(fresh, this.#path);
    };
    const written = this.#writing.then(write);
    this.#writing = written.catch(() => undefined);
    await written;
  }

  /** As `write`, for callers that cannot wait: a failure is logged. */
  rewrite(content: object): void {
    this.write(content).catch((error: unknown) =>
      this.#logger.error({ err: error }, `${this.#path} cannot be written`),
    );
  }

  async remove(): Promise<void> {
    await this.#writing;
    await rm(this.#path, { force: true });
  }
}
