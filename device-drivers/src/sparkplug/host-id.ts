import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSparkplugId, UnavailableError } from '@millwright/protocol';

const FILE = 'sparkplug-host-id';

/**
 * What a gateway calls itself as a host application when nobody says: a name no other one has, kept for good.
 * @throws UnavailableError when it cannot be kept
 */
export async function hostIdIn(folder: string | undefined): Promise<string> {
  const fresh = `millwright-${randomBytes(4).toString('hex')}`;
  if (folder === undefined) return fresh;
  const path = join(folder, FILE);
  const kept = await readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
  if (isSparkplugId(kept)) return kept;
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(path, `${fresh}\n`, { mode: 0o600 });
  } catch (cause) {
    throw new UnavailableError('HOST_ID_NOT_KEPT', `cannot write ${path}`, { cause });
  }
  return fresh;
}
