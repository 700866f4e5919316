import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@millwright/protocol/node';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerBroker } from './cli.ts';
import { BrokerCredentials, CREDENTIALS_FILE } from './credentials.ts';
import { PasswordVerifier } from './verifier.ts';

let folder: string;
let printed: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millwright-credential-'));
  printed = [];
  vi.spyOn(console, 'log').mockImplementation((line: string) => printed.push(line));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

async function millwright(...args: string[]): Promise<void> {
  const program = new Command('millwright').exitOverride().configureOutput({ writeErr: () => undefined });
  registerBroker(program.command('gateway').exitOverride());
  for (const command of program.commands[0]?.commands[0]?.commands ?? []) command.exitOverride();
  await program.parseAsync(['gateway', 'credential', ...args], { from: 'user' });
}

async function verdict(username: string, password: string): Promise<string> {
  const credentials = new BrokerCredentials({ clock: systemClock }, { path: join(folder, CREDENTIALS_FILE) });
  await credentials.reload();
  return new PasswordVerifier().verify(credentials.get(username), Buffer.from(password));
}

describe('millwright gateway credential', () => {
  it('adds one and shows its password once, lists it without, and removes it', async () => {
    await millwright('add', 'hall-th', '--publish', 'hall/th/#', '--state', folder);
    const password = printed[1]?.replace('password  ', '') ?? '';
    expect(await verdict('hall-th', password)).toBe('right');
    expect(printed.slice(2, 4)).toEqual(['publish   hall/th/#', 'subscribe %u/#']);
    printed = [];
    await millwright('list', '--state', folder);
    expect(printed).toEqual(['hall-th  publish hall/th/#  subscribe %u/#']);
    await millwright('remove', 'hall-th', '--state', folder);
    await expect(millwright('remove', 'hall-th', '--state', folder)).rejects.toMatchObject({
      code: 'CREDENTIAL_UNKNOWN',
    });
    printed = [];
    await millwright('list', '--state', folder);
    expect(printed[0]).toContain('no credentials');
  });

  it('keeps a password in a file when told to, and may be repeated', async () => {
    const file = join(folder, 'secrets', 'line-4');
    const args = ['add', 'line-4', '--publish', 'a/#', 'b/#', '--state', folder, '--password-file', file];
    await millwright(...args);
    await millwright(...args);
    expect(printed).toEqual([
      `credential "line-4" added; its password is in ${file}`,
      `credential "line-4" unchanged; its password is in ${file}`,
    ]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await verdict('line-4', readFileSync(file, 'utf8').trim())).toBe('right');
  });

  it('says what is wrong', async () => {
    await expect(millwright('add', 'a/b', '--state', folder)).rejects.toMatchObject({
      code: 'CREDENTIAL_INVALID',
    });
    await expect(millwright('add', 'a')).rejects.toThrow(/--state/);
    await expect(millwright('add', 'a', '--state', folder, '--password-file', folder)).rejects.toMatchObject({
      code: 'PASSWORD_FILE',
    });
    expect(existsSync(join(folder, CREDENTIALS_FILE))).toBe(false);
  });
});
