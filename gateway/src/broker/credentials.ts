import { randomUUID } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Clock, InvalidInputError, UnavailableError } from '@millwright/protocol';
import { z } from 'zod';
import { generatePassword, hashPassword, PasswordHash, passwordMatches } from './password.ts';
import { isTopicFilter } from './topic-filter.ts';

/** In a gateway's state folder. */
export const CREDENTIALS_FILE = 'broker-credentials.json';

const MAX_CREDENTIALS = 10_000;
/** A password of this length is taken for a generated one. */
const LONG_PASSWORD = 32;

/** No `/`, `+` or `#`: a username stands for `%u` in topic filters. */
export const Username = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1–64 letters, digits, ".", "_" or "-"');

/** A topic filter in which `%u` stands for the username. */
export const AclFilter = z
  .string()
  .max(512)
  .refine(
    (text) => isTopicFilter(text.replaceAll('%u', 'u')),
    'must be an MQTT topic filter, such as "hall/th/#"',
  )
  .refine((text) => !text.startsWith('$'), 'must not begin with "$": those topics belong to the broker');

/** Beside plain topics, what the broker tells about itself. */
export const SubscribeFilter = z
  .string()
  .max(512)
  .refine(
    (text) => isTopicFilter(text.replaceAll('%u', 'u')),
    'must be an MQTT topic filter, such as "hall/th/#"',
  )
  .refine(
    (text) => !text.startsWith('$') || text.startsWith('$SYS/broker/'),
    'must not begin with "$", except "$SYS/broker/"',
  );

export const Credential = z.strictObject({
  username: Username,
  password: PasswordHash,
  publish: z.array(AclFilter).max(100),
  subscribe: z.array(SubscribeFilter).max(100),
  createdAtMs: z.number(),
});
export type Credential = z.infer<typeof Credential>;

const CredentialsFile = z.strictObject({
  version: z.literal(1),
  credentials: z.array(Credential).max(MAX_CREDENTIALS),
});

export interface NewCredential {
  readonly username: string;
  /** Generated when absent. */
  readonly password?: string;
  /** Default: everything below the username. */
  readonly publish?: readonly string[];
  readonly subscribe?: readonly string[];
}

/**
 * Who may use the broker, in one JSON file (mode 0600) that holds password hashes only.
 * Written by the command line while a gateway runs, which notices through `reload`.
 */
export class BrokerCredentials {
  readonly #path: string;
  readonly #clock: Pick<Clock, 'wallMs'>;
  #byName = new Map<string, Credential>();
  #stamp = '';

  constructor(deps: { readonly clock: Pick<Clock, 'wallMs'> }, config: { readonly path: string }) {
    this.#clock = deps.clock;
    this.#path = config.path;
  }

  get size(): number {
    return this.#byName.size;
  }

  get(username: string): Credential | undefined {
    return this.#byName.get(username);
  }

  list(): readonly Credential[] {
    return [...this.#byName.values()].sort((a, b) => (a.username < b.username ? -1 : 1));
  }

  /**
   * Reads the file when it has changed since the last call; a missing file is an empty list.
   * @returns the usernames that were changed or removed: their connections are no longer covered
   * @throws InvalidInputError `CREDENTIALS_INVALID`; what was known before stays in force
   */
  async reload(): Promise<readonly string[]> {
    const stamp = await this.#fileStamp();
    if (stamp === this.#stamp) return [];
    const next = stamp === '' ? new Map<string, Credential>() : await this.#read();
    const gone = [...this.#byName]
      .filter(([name, old]) => !isSame(old, next.get(name)))
      .map(([name]) => name);
    this.#byName = next;
    this.#stamp = stamp;
    return gone;
  }

  /**
   * @returns the password, which is stored nowhere
   * @throws InvalidInputError `CREDENTIAL_EXISTS`, `CREDENTIAL_INVALID`
   */
  async add(wanted: NewCredential): Promise<{ readonly password: string; readonly credential: Credential }> {
    await this.reload();
    if (this.#byName.has(wanted.username)) {
      throw new InvalidInputError('CREDENTIAL_EXISTS', `credential "${wanted.username}" exists already`, {
        hint: 'remove it first, or choose another username',
      });
    }
    const password = wanted.password ?? generatePassword();
    const credential = await this.#make(wanted, password);
    await this.#write([...this.#byName.values(), credential]);
    return { password, credential };
  }

  /**
   * Adds the credential, or brings the one of that name in line: repeating it changes nothing.
   * @throws InvalidInputError `CREDENTIAL_INVALID`
   */
  async ensure(
    wanted: NewCredential & { readonly password: string },
  ): Promise<'added' | 'changed' | 'unchanged'> {
    await this.reload();
    const old = this.#byName.get(wanted.username);
    if (old !== undefined) {
      const { publish = DEFAULT_ACL, subscribe = DEFAULT_ACL } = wanted;
      const isSameAcl = sameList(old.publish, publish) && sameList(old.subscribe, subscribe);
      if (isSameAcl && (await passwordMatches(Buffer.from(wanted.password), old.password)))
        return 'unchanged';
    }
    const credential = await this.#make(wanted, wanted.password);
    const others = [...this.#byName.values()].filter(({ username }) => username !== wanted.username);
    await this.#write([...others, credential]);
    return old === undefined ? 'added' : 'changed';
  }

  /** @returns false when there was none */
  async remove(username: string): Promise<boolean> {
    await this.reload();
    if (!this.#byName.has(username)) return false;
    await this.#write([...this.#byName.values()].filter((credential) => credential.username !== username));
    return true;
  }

  async #make(wanted: NewCredential, password: string): Promise<Credential> {
    if (password.length < 8 || password.length > 200) {
      throw new InvalidInputError('CREDENTIAL_INVALID', 'password must have 8–200 characters');
    }
    const parsed = Credential.safeParse({
      username: wanted.username,
      password: await hashPassword(password, isGuessable(wanted, password) ? 'chosen' : 'generated'),
      publish: wanted.publish ?? DEFAULT_ACL,
      subscribe: wanted.subscribe ?? DEFAULT_ACL,
      createdAtMs: this.#clock.wallMs(),
    });
    if (parsed.success) return parsed.data;
    const lines = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new InvalidInputError('CREDENTIAL_INVALID', `credential is not valid: ${lines.join('; ')}`);
  }

  async #fileStamp(): Promise<string> {
    try {
      const { mtimeMs, size, ino, mode } = await stat(this.#path);
      if ((mode & 0o077) !== 0) await chmod(this.#path, 0o600);
      return `${ino}:${size}:${mtimeMs}`;
    } catch (error) {
      if (isMissing(error)) return '';
      throw this.#unreadable(error);
    }
  }

  async #read(): Promise<Map<string, Credential>> {
    let json: unknown;
    try {
      json = JSON.parse(await readFile(this.#path, 'utf8'));
    } catch (error) {
      if (error instanceof SyntaxError) throw this.#invalid(`is not JSON: ${error.message}`);
      throw this.#unreadable(error);
    }
    const parsed = CredentialsFile.safeParse(json);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw this.#invalid(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not valid'}`);
    }
    return new Map(parsed.data.credentials.map((credential) => [credential.username, credential]));
  }

  /** A new file takes the place of the old one in one step: a reader sees either, a power cut leaves either. */
  async #write(credentials: readonly Credential[]): Promise<void> {
    const temporary = `${this.#path}.${randomUUID()}`;
    try {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(`${JSON.stringify({ version: 1, credentials }, null, 2)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, this.#path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw new UnavailableError('CREDENTIALS_UNWRITABLE', `cannot write ${this.#path}`, {
        hint: 'check that the state folder is writable and the disk is not full',
        cause: error,
      });
    }
    await this.reload();
  }

  #invalid(what: string): InvalidInputError {
    return new InvalidInputError('CREDENTIALS_INVALID', `${this.#path}: ${what}`, {
      hint: 'restore the file from a backup, or delete it and add the credentials again',
    });
  }

  #unreadable(cause: unknown): UnavailableError {
    return new UnavailableError('CREDENTIALS_UNREADABLE', `cannot read ${this.#path}`, {
      hint: 'the file must belong to the user the gateway runs as',
      cause,
    });
  }
}

const DEFAULT_ACL: readonly string[] = ['%u/#'];

function isGuessable(wanted: NewCredential, password: string): boolean {
  return wanted.password !== undefined && password.length < LONG_PASSWORD;
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, at) => item === b[at]);
}

function isSame(a: Credential, b: Credential | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
