import { createHash, randomBytes } from 'node:crypto';

/** 256 random bits, safe in URLs and headers. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** What is kept of a secret that nobody can guess: one round of SHA-256 is enough for 256 random bits. */
export function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
