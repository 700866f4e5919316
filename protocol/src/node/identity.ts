import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys';
import type { Ed25519PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { InvalidInputError, UnavailableError } from '../errors.ts';

const FILE = 'identity.key';

/** The key a host is known by. It is made where it lives and never leaves. */
export interface HostIdentity {
  readonly privateKey: Ed25519PrivateKey;
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** libp2p PeerId, base58. */
  readonly peerId: string;
}

/**
 * Reads the host key of a state folder, or makes and keeps one when there is none (`identity.key`, mode 0600).
 * @throws InvalidInputError `IDENTITY_PERMISSIONS` when others may read the file, `IDENTITY_UNREADABLE` when it is damaged:
 *   a new key would be a new gateway, so none is made
 * @throws UnavailableError `STATE_DIR` when the folder cannot be read or written
 */
export async function loadOrCreateIdentity(stateDir: string): Promise<HostIdentity> {
  const path = join(stateDir, FILE);
  const held = await readIdentity(path);
  if (held !== undefined) return held;
  const privateKey = await generateKeyPair('Ed25519');
  await writePrivateFile(path, Buffer.from(privateKeyToProtobuf(privateKey)).toString('base64'));
  return identityOf(privateKey);
}

/** A key that lives as long as the process, for tests and tools. */
export async function temporaryIdentity(): Promise<HostIdentity> {
  return identityOf(await generateKeyPair('Ed25519'));
}

/**
 * Replaces a small file so that it is either the old or the new one after a power cut, readable by its owner only.
 * @throws UnavailableError `STATE_DIR`
 */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await mkdir(join(path, '..'), { recursive: true, mode: 0o700 });
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(join(path, '..'));
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new UnavailableError('STATE_DIR', `cannot write ${path}: ${messageOf(cause)}`, {
      hint: 'check that the disk has room and that the state folder belongs to this user',
      cause,
    });
  }
}

async function readIdentity(path: string): Promise<HostIdentity | undefined> {
  const text = await readIfPresent(path);
  if (text === undefined) return undefined;
  if (process.platform !== 'win32' && ((await stat(path)).mode & 0o077) !== 0) {
    throw new InvalidInputError('IDENTITY_PERMISSIONS', `${path} may be read by others`, {
      hint: `run: chmod 600 ${path}`,
    });
  }
  try {
    const key = privateKeyFromProtobuf(Buffer.from(text, 'base64'));
    if (key.type === 'Ed25519') return identityOf(key);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  throw unreadable(path);
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new UnavailableError('STATE_DIR', `cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** The rename itself must survive a power cut. Windows has no folder handles to sync. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function identityOf(privateKey: Ed25519PrivateKey): HostIdentity {
  return {
    privateKey,
    publicKey: privateKey.publicKey.raw,
    peerId: peerIdFromPrivateKey(privateKey).toString(),
  };
}

function unreadable(path: string, cause?: unknown): InvalidInputError {
  return new InvalidInputError('IDENTITY_UNREADABLE', `${path} does not hold an Ed25519 key`, {
    hint: 'restore it from a backup, or remove it and enrol this gateway anew',
    cause,
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
