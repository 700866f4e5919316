import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Reads a secret, or makes one (256 random bits, file mode 0600) the first time. */
export async function secretIn(file: string): Promise<string> {
  const kept = await readFile(file, 'utf8').catch(() => undefined);
  if (kept !== undefined && kept.trim() !== '') return kept.trim();
  const secret = randomBytes(32).toString('base64url');
  await writeSecret(file, secret);
  return secret;
}

export async function writeSecret(file: string, secret: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const handle = await open(file, 'w', 0o600);
  await handle.writeFile(`${secret}\n`);
  await handle.close();
}
