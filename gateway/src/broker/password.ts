import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

/**
 * What scrypt costs. A generated password has 160 bits of entropy, so guessing is hopeless whatever the cost and
 * a gateway that restarts can let hundreds of devices back in at once; a person's choice needs the full price.
 */
const COSTS = {
  generated: { N: 2 ** 12, r: 8, p: 1 },
  chosen: { N: 2 ** 15, r: 8, p: 3 },
} as const;

export type PasswordOrigin = keyof typeof COSTS;

/** Parameters, salt and hash, the last two as base64url. */
export const PasswordHash = z.strictObject({
  N: z
    .int()
    .min(2 ** 10)
    .max(2 ** 17)
    .refine((n) => Number.isInteger(Math.log2(n)), 'must be a power of two'),
  r: z.int().min(1).max(16),
  p: z.int().min(1).max(16),
  salt: z.base64url().min(16).max(128),
  hash: z.base64url().min(40).max(128),
});
export type PasswordHash = z.infer<typeof PasswordHash>;

/** 160 random bits. */
export function generatePassword(): string {
  return randomBytes(20).toString('base64url');
}

export async function hashPassword(password: string, origin: PasswordOrigin): Promise<PasswordHash> {
  const salt = randomBytes(16);
  const cost = COSTS[origin];
  const key = await derive(password, salt, 32, cost);
  return { ...cost, salt: salt.toString('base64url'), hash: key.toString('base64url') };
}

export async function passwordMatches(password: Buffer, hash: PasswordHash): Promise<boolean> {
  const wanted = Buffer.from(hash.hash, 'base64url');
  const key = await derive(password, Buffer.from(hash.salt, 'base64url'), wanted.length, hash);
  return timingSafeEqual(key, wanted);
}

function derive(
  password: string | Buffer,
  salt: Buffer,
  length: number,
  { N, r, p }: { readonly N: number; readonly r: number; readonly p: number },
): Promise<Buffer> {
  const options: ScryptOptions = { N, r, p, maxmem: 128 * N * r + 1024 * 1024 };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, length, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
}
