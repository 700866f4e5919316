import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { InvalidInputError, UnavailableError } from '@millwright/protocol';

/**
 * The token that opens the local API to others than this machine: 256 random bits in a file only its owner can read,
 * made at the first use.
 */
export class AccessToken {
  readonly #digest: Buffer;

  private constructor(token: string) {
    this.#digest = digestOf(token);
  }

  /** @throws UnavailableError `TOKEN_UNREADABLE`; InvalidInputError `TOKEN_INVALID` */
  static async load(path: string): Promise<AccessToken> {
    try {
      return await read(path);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw asTokenError(path, error);
    }
    try {
      await create(path);
      return await read(path);
    } catch (error) {
      throw asTokenError(path, error);
    }
  }

  /** Takes as long for a wrong token as for the right one. */
  matches(candidate: string): boolean {
    return timingSafeEqual(digestOf(candidate), this.#digest);
  }

  static parse(path: string, text: string): AccessToken {
    const token = text.trim();
    if (!/^[A-Za-z0-9_-]{32,128}$/.test(token)) {
      throw new InvalidInputError(
        'TOKEN_INVALID',
        `${path} does not hold a token of 32–128 letters and digits`,
        {
          hint: 'delete the file: a new token is made at the next start',
        },
      );
    }
    return new AccessToken(token);
  }
}

async function read(path: string): Promise<AccessToken> {
  const text = await readFile(path, 'utf8');
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) await chmod(path, 0o600);
  return AccessToken.parse(path, text);
}

/** Complete or not at all, and never over one that another process made meanwhile. */
async function create(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(`${randomBytes(32).toString('base64url')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(temporary, path).catch((error: unknown) => {
      if (!hasCode(error, 'EEXIST')) throw error;
    });
  } finally {
    await rm(temporary, { force: true });
  }
}

function asTokenError(path: string, cause: unknown): Error {
  if (cause instanceof InvalidInputError) return cause;
  return new UnavailableError('TOKEN_UNREADABLE', `the API token in ${path} cannot be read or made`, {
    hint: 'check that the state folder belongs to the user the gateway runs as and the disk is not full',
    cause,
  });
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
