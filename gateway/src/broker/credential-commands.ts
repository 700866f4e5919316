import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InvalidInputError } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { BrokerCredentials, CREDENTIALS_FILE } from './credentials.ts';
import { generatePassword } from './password.ts';

export interface CredentialOptions {
  readonly state: string;
  readonly credentials?: string;
  readonly publish?: readonly string[];
  readonly subscribe?: readonly string[];
  readonly passwordFile?: string;
}

type Say = (line: string) => void;

/** @throws InvalidInputError `CREDENTIAL_EXISTS`, `CREDENTIAL_INVALID`, `PASSWORD_FILE` */
export async function addCredential(username: string, options: CredentialOptions, say: Say): Promise<void> {
  const { publish, subscribe, passwordFile } = options;
  const wanted = {
    username,
    ...(publish === undefined ? {} : { publish }),
    ...(subscribe === undefined ? {} : { subscribe }),
  };
  if (passwordFile === undefined) {
    const { password, credential } = await open(options).add(wanted);
    say(`username  ${username}`);
    say(`password  ${password}`);
    say(`publish   ${credential.publish.join(' ') || 'nothing'}`);
    say(`subscribe ${credential.subscribe.join(' ') || 'nothing'}`);
    say('The password is shown this once and stored nowhere.');
    return;
  }
  const result = await open(options).ensure({ ...wanted, password: await passwordIn(passwordFile) });
  say(`credential "${username}" ${result}; its password is in ${passwordFile}`);
}

/** @throws InvalidInputError `CREDENTIAL_UNKNOWN` */
export async function removeCredential(
  username: string,
  options: CredentialOptions,
  say: Say,
): Promise<void> {
  if (!(await open(options).remove(username))) {
    throw new InvalidInputError('CREDENTIAL_UNKNOWN', `there is no credential "${username}"`, {
      hint: '"millwright gateway credential list" shows those there are',
    });
  }
  say(`credential "${username}" removed`);
}

export async function listCredentials(options: CredentialOptions, say: Say): Promise<void> {
  const credentials = open(options);
  await credentials.reload();
  if (credentials.size === 0)
    say('There are no credentials: nobody can use the broker, unless it runs with --dev.');
  for (const { username, publish, subscribe } of credentials.list()) {
    say(
      `${username}  publish ${publish.join(' ') || 'nothing'}  subscribe ${subscribe.join(' ') || 'nothing'}`,
    );
  }
}

function open({ state, credentials }: CredentialOptions): BrokerCredentials {
  return new BrokerCredentials(
    { clock: systemClock },
    { path: credentials ?? join(state, CREDENTIALS_FILE) },
  );
}

async function passwordIn(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT'))
      throw unreadable(file, error);
  }
  const password = generatePassword();
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(file, `${password}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw unreadable(file, error);
  }
  return password;
}

function unreadable(file: string, cause: unknown): InvalidInputError {
  return new InvalidInputError('PASSWORD_FILE', `password file ${file} can be neither read nor made`, {
    cause,
  });
}
