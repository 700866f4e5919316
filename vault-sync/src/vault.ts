import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { describeError, type Logger } from '@millwright/protocol';
import { z } from 'zod';
import { createNote, type NoteSpec, noteId, patchNote } from './note.ts';

export interface SyncResult {
  readonly created: number;
  readonly updated: number;
  readonly unchanged: number;
  /** Deleted by somebody, and left so. */
  readonly tombstones: number;
  /** Path and block of what we left alone because a person wrote inside it. */
  readonly edited: readonly string[];
  readonly failed: readonly string[];
}

export interface VaultConfig {
  /** The vault's folder; created when missing. */
  readonly directory: string;
  /** File outside the vault that remembers which notes were written, so that a deleted note stays deleted. */
  readonly memoryFile: string;
}

const MAX_NOTE_BYTES = 1 << 20;
const MAX_NOTES = 100_000;
const Memory = z.object({ written: z.array(z.string()) });

/** Copies that a sync tool made of a conflict: they carry an id that is not theirs. */
const CONFLICT_COPY = /\(Conflicted copy .*\)\.md$|\.sync-conflict-\d+-\d+.*\.md$/i;

/** Writes notes into an Obsidian vault, one way: only our keys and blocks, only when something changed. */
export class Vault {
  readonly #config: VaultConfig;
  readonly #logger: Logger;
  #written: Set<string> | undefined;

  constructor(deps: { readonly logger: Logger }, config: VaultConfig) {
    this.#logger = deps.logger;
    this.#config = config;
  }

  /** Brings the vault in line with `notes`. A note that cannot be read or written is named, and does not stop the others. */
  async sync(notes: readonly NoteSpec[]): Promise<SyncResult> {
    await mkdir(this.#config.directory, { recursive: true });
    const paths = await this.#index();
    const written = await this.#remember();
    const known = written.size;
    const result = {
      created: 0,
      updated: 0,
      unchanged: 0,
      tombstones: 0,
      edited: [] as string[],
      failed: [] as string[],
    };
    for (const note of notes) {
      try {
        await this.#syncOne(note, paths.get(note.id), written, result);
      } catch (error) {
        result.failed.push(`${note.path}: ${describeError(error)}`);
      }
    }
    if (written.size !== known) await this.#keepMemory(written);
    for (const failure of result.failed) this.#logger.warn({ failure }, 'a note could not be written');
    return result;
  }

  async #syncOne(
    note: NoteSpec,
    path: string | undefined,
    written: Set<string>,
    result: { created: number; updated: number; unchanged: number; tombstones: number; edited: string[] },
  ): Promise<void> {
    if (path === undefined) {
      if (written.has(note.id)) {
        result.tombstones += 1;
        return;
      }
      await this.#create(note);
      written.add(note.id);
      result.created += 1;
      return;
    }
    written.add(note.id);
    const before = await readFile(path, 'utf8');
    const { text, edited } = patchNote(before, note);
    for (const name of edited) result.edited.push(`${path}: ${name}`);
    if (text === before) {
      result.unchanged += 1;
      return;
    }
    await replaceFile(path, text);
    result.updated += 1;
  }

  /** Never over a file that is there already: then a number is added to the name. */
  async #create(note: NoteSpec): Promise<void> {
    const wanted = join(this.#config.directory, note.path);
    await mkdir(dirname(wanted), { recursive: true });
    for (let attempt = 1; ; attempt += 1) {
      const path = attempt === 1 ? wanted : wanted.replace(/\.md$/, ` ${attempt}.md`);
      try {
        const handle = await open(path, 'wx');
        await handle.writeFile(createNote(note));
        await handle.close();
        return;
      } catch (error) {
        const taken = error instanceof Error && 'code' in error && error.code === 'EEXIST';
        if (!taken || attempt > 20) throw error;
      }
    }
  }

  /** Note id → path, for every note of ours; conflict copies and hidden folders are passed over. */
  async #index(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    const entries = await readdir(this.#config.directory, { recursive: true, withFileTypes: true });
    for (const entry of entries.slice(0, MAX_NOTES)) {
      if (!entry.isFile() || !entry.name.endsWith('.md') || CONFLICT_COPY.test(entry.name)) continue;
      const path = join(entry.parentPath, entry.name);
      if (
        path
          .slice(this.#config.directory.length)
          .split(sep)
          .some((part) => part.startsWith('.'))
      )
        continue;
      const id = noteId(await readHead(path));
      if (id !== undefined && !found.has(id)) found.set(id, path);
    }
    return found;
  }

  async #remember(): Promise<Set<string>> {
    if (this.#written !== undefined) return this.#written;
    const text = await readFile(this.#config.memoryFile, 'utf8').catch(() => undefined);
    const memory = text === undefined ? undefined : Memory.safeParse(parseJson(text));
    this.#written = new Set(memory?.data?.written ?? []);
    return this.#written;
  }

  async #keepMemory(written: ReadonlySet<string>): Promise<void> {
    await mkdir(dirname(this.#config.memoryFile), { recursive: true });
    await replaceFile(this.#config.memoryFile, JSON.stringify({ written: [...written] }));
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Enough of a note to see its front matter. */
async function readHead(path: string): Promise<string> {
  const handle = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(8192), 0, 8192, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Readers see the old file or the new one, never half of one. */
async function replaceFile(path: string, text: string): Promise<void> {
  if (Buffer.byteLength(text) > MAX_NOTE_BYTES)
    throw new RangeError(`${path} would exceed ${MAX_NOTE_BYTES} bytes`);
  const temporary = join(dirname(path), `.millwright-${randomUUID()}.tmp`);
  try {
    await writeFile(temporary, text);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
