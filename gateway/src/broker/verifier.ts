import { createHmac, randomBytes } from 'node:crypto';
import QuickLRU from 'quick-lru';
import type { Credential } from './credentials.ts';
import { hashPassword, type PasswordHash, passwordMatches } from './password.ts';

export type Verdict = 'right' | 'wrong' | 'busy';

const MAX_REMEMBERED = 2000;
/** scrypt runs on libuv's four threads, which file and DNS work share. */
const MAX_RUNNING = 2;
const MAX_WAITING = 500;

/**
 * Checks passwords against their hashes. A verdict is remembered under a keyed digest that dies with the process,
 * so a storm of reconnects (or one device with a wrong password) costs one scrypt, not thousands.
 */
export class PasswordVerifier {
  readonly #key = randomBytes(32);
  readonly #right = new QuickLRU<string, true>({ maxSize: MAX_REMEMBERED });
  /** Apart from the right ones, so that guessing does not push them out. */
  readonly #wrong = new QuickLRU<string, true>({ maxSize: MAX_REMEMBERED });
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #decoy: Promise<PasswordHash> | undefined;

  /** How often scrypt was run. */
  derivations = 0;

  /** An unknown user takes as long as a wrong password. */
  async verify(credential: Credential | undefined, password: Buffer): Promise<Verdict> {
    const hash = credential?.password ?? (await this.#decoyHash());
    const digest = createHmac('sha256', this.#key)
      .update(hash.hash)
      .update('\0')
      .update(password)
      .digest('base64');
    if (this.#right.has(digest)) return 'right';
    if (this.#wrong.has(digest)) return 'wrong';
    if (!(await this.#enter())) return 'busy';
    try {
      this.derivations++;
      const right = (await passwordMatches(password, hash)) && credential !== undefined;
      (right ? this.#right : this.#wrong).set(digest, true);
      return right ? 'right' : 'wrong';
    } finally {
      this.#leave();
    }
  }

  #decoyHash(): Promise<PasswordHash> {
    this.#decoy ??= hashPassword(randomBytes(16).toString('hex'), 'generated');
    return this.#decoy;
  }

  async #enter(): Promise<boolean> {
    if (this.#running < MAX_RUNNING) {
      this.#running++;
      return true;
    }
    if (this.#waiting.length >= MAX_WAITING) return false;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return true;
  }

  /** Hands the place to the next in line, so that nobody slips in between. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}
