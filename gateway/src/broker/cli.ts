import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { CredentialOptions } from './credential-commands.ts';

/** Adds `credential add|remove|list` to the `millwright gateway` command. */
export function registerBroker(gateway: Command): void {
  const credential = gateway
    .command('credential')
    .description("Say which devices and programs may use a gateway's MQTT broker, and on which topics");

  withPlace(credential.command('add'))
    .description('Let a device in; prints its password, which is stored nowhere')
    .argument('<username>', 'letters, digits, ".", "_" and "-"')
    .option('--publish <filter...>', 'topics it may publish on; %u is its username (default: %u/#)')
    .option('--subscribe <filter...>', 'topics it may subscribe to (default: %u/#)')
    .option(
      '--password-file <file>',
      'take the password from this file, or write a new one there; repeating it is safe',
    )
    .addHelpText(
      'after',
      `
Examples:
  millwright gateway credential add hall-th --state /var/lib/millwright
  millwright gateway credential add line-4 --publish 'line4/#' --subscribe 'line4/+/set' --state state
`,
    )
    .action(async (username: string, options: CredentialOptions) => {
      const { addCredential } = await import('./credential-commands.ts');
      await addCredential(username, placed(options), console.log);
    });

  withPlace(credential.command('remove'))
    .description('Shut a device out; a running gateway disconnects it within seconds')
    .argument('<username>')
    .action(async (username: string, options: CredentialOptions) => {
      const { removeCredential } = await import('./credential-commands.ts');
      await removeCredential(username, placed(options), console.log);
    });

  withPlace(credential.command('list'))
    .description('Show who may use the broker')
    .action(async (options: CredentialOptions) => {
      const { listCredentials } = await import('./credential-commands.ts');
      await listCredentials(placed(options), console.log);
    });
}

function withPlace(command: Command): Command {
  return command
    .requiredOption('--state <folder>', "the gateway's state folder")
    .option('--credentials <file>', 'where gateway.yaml names a file of its own for them');
}

function placed(options: CredentialOptions): CredentialOptions {
  const { credentials, passwordFile } = options;
  return {
    ...options,
    state: resolve(options.state),
    ...(credentials === undefined ? {} : { credentials: resolve(credentials) }),
    ...(passwordFile === undefined ? {} : { passwordFile: resolve(passwordFile) }),
  };
}
