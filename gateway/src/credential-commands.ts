import { resolve } from 'node:path';
import { InvalidInputError } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node/system-clock';
import { BrokerCredentials } from './broker/credentials.ts';
import type { CredentialFlags } from './cli.ts';
import { readText } from './config.ts';
import { stateFiles } from './state-files.ts';

/** @returns what is printed; the password only when it was made here */
export async function addCredential(username: string, flags: CredentialFlags): Promise<string> {
  const { publish, subscribe, passwordFile } = flags;
  const chosen =
    passwordFile === undefined ? undefined : (await readText(resolve(passwordFile), 'the password')).trim();
  const { password } = await credentialsIn(flags.state).add({
    username,
    ...(chosen === undefined ? {} : { password: chosen }),
    ...(publish === undefined ? {} : { publish }),
    ...(subscribe === undefined ? {} : { subscribe }),
  });
  return chosen === undefined ? password : `credential "${username}" added`;
}

export async function listCredentials(state: string): Promise<string> {
  const credentials = credentialsIn(state);
  await credentials.reload();
  const lines = credentials
    .list()
    .map(
      ({ username, publish, subscribe }) =>
        `${username}\tpublish ${publish.join(' ') || '-'}\tsubscribe ${subscribe.join(' ') || '-'}`,
    );
  return lines.length === 0 ? 'no credentials' : lines.join('\n');
}

/** @throws InvalidInputError `CREDENTIAL_UNKNOWN` */
export async function removeCredential(username: string, state: string): Promise<string> {
  if (await credentialsIn(state).remove(username)) return `credential "${username}" removed`;
  throw new InvalidInputError('CREDENTIAL_UNKNOWN', `there is no credential "${username}"`);
}

function credentialsIn(state: string): BrokerCredentials {
  return new BrokerCredentials(
    { clock: systemClock },
    { path: stateFiles(resolve(state)).brokerCredentials },
  );
}
