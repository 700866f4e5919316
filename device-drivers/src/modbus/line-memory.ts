import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, type DeviceSlug, describeError, type Logger } from '@millwright/protocol';
import { z } from 'zod';
import { CutList } from './learned-cuts.ts';

const SAVE_AFTER_MS = 5000;

const MemoryFile = z.object({
  version: z.literal(1),
  devices: z.record(z.string(), z.object({ fingerprint: z.string(), cuts: CutList })),
});
type MemoryFile = z.infer<typeof MemoryFile>;

/** What a line has learned about its devices, kept over a restart. Losing it costs a few requests, nothing else. */
export class LineMemory {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #file: string | undefined;
  #known: MemoryFile = { version: 1, devices: {} };
  #cancelSave: (() => void) | undefined;
  #saving: Promise<void> = Promise.resolve();

  /** @param line names the file; @param stateDir absent: nothing is kept */
  constructor(
    deps: { readonly clock: Clock; readonly logger: Logger },
    { line, stateDir }: { readonly line: string; readonly stateDir: string | undefined },
  ) {
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    const name = createHash('sha256').update(line).digest('hex').slice(0, 16);
    this.#file = stateDir === undefined ? undefined : join(stateDir, 'modbus', `${name}.json`);
  }

  async load(): Promise<void> {
    if (this.#file === undefined) return;
    const text = await readFile(this.#file, 'utf8').catch(() => undefined);
    if (text === undefined) return;
    try {
      this.#known = MemoryFile.parse(JSON.parse(text));
    } catch (error) {
      this.#logger.warn(
        { file: this.#file, why: describeError(error) },
        'what was learned about devices cannot be read: it is learned anew',
      );
    }
  }

  /** @returns nothing when the device's registers are described differently now */
  cutsOf(device: DeviceSlug, fingerprint: string): CutList {
    const known = this.#known.devices[device];
    return known?.fingerprint === fingerprint ? known.cuts : [];
  }

  keep(device: DeviceSlug, fingerprint: string, cuts: CutList): void {
    this.#known.devices[device] = { fingerprint, cuts };
    if (this.#file === undefined || this.#cancelSave !== undefined) return;
    this.#cancelSave = this.#clock.after(SAVE_AFTER_MS, () => this.#save());
  }

  /** Writes what is not written yet. */
  async flush(): Promise<void> {
    if (this.#cancelSave !== undefined) this.#save();
    await this.#saving;
  }

  #save(): void {
    this.#cancelSave?.();
    this.#cancelSave = undefined;
    const text = `${JSON.stringify(this.#known)}\n`;
    this.#saving = this.#saving.then(() => this.#write(text));
  }

  async #write(text: string): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    try {
      await mkdir(join(file, '..'), { recursive: true });
      await writeFile(`${file}.new`, text);
      await rename(`${file}.new`, file);
    } catch (error) {
      this.#logger.warn({ file, why: describeError(error) }, 'what was learned about devices is not kept');
    }
  }
}
