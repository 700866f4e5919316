import { resolve } from 'node:path';
import type { Command } from 'commander';

interface RunFlags {
  readonly config: string;
  readonly state: string;
  readonly dev?: boolean;
  readonly readyFile?: string;
}

/** Adds this room's nouns to the `millwright` command. */
export function register(program: Command): void {
  const gateway = program.command('gateway').description('The edge process beside the machines');

  gateway
    .command('run')
    .description('Run the gateway until it is told to stop')
    .requiredOption('--config <file>', 'gateway.yaml')
    .requiredOption('--state <directory>', 'where it keeps its key, its journal and its records')
    .option('--dev', 'open the MQTT broker to every program on this machine, without passwords')
    .option('--ready-file <file>', 'written as JSON once devices are read and it listens')
    .addHelpText(
      'after',
      [
        '',
        'SIGHUP reads the device files again; a wrong file changes nothing.',
        '',
        'Example:',
        '  millwright gateway run --config gateway.yaml --state /var/lib/millwright/gateway',
      ].join('\n'),
    )
    .action(async (flags: RunFlags) => {
      const { runGateway } = await import('./run-gateway.ts');
      await runGateway({ ...flags, config: resolve(flags.config), state: resolve(flags.state) }, process.env);
    });

  gateway
    .command('check')
    .description('Check a gateway configuration with its device files, and say what it would read')
    .requiredOption('--config <file>', 'gateway.yaml')
    .addHelpText('after', '\nExample:\n  millwright gateway check --config gateway.yaml')
    .action(async (flags: { readonly config: string }) => {
      const { checkGateway } = await import('./check-gateway.ts');
      console.log(await checkGateway(resolve(flags.config), process.env));
    });

  const credential = gateway.command('credential').description("Who may use the gateway's MQTT broker");
  credential
    .command('add <username>')
    .description('Add a credential and print its password, which is kept nowhere')
    .requiredOption('--state <directory>', "the gateway's state folder")
    .option('--publish <filter...>', 'topics it may publish on; %u is the username', undefined)
    .option('--subscribe <filter...>', 'topics it may subscribe to', undefined)
    .option('--password-file <file>', 'take the password from this file instead of making one')
    .addHelpText(
      'after',
      '\nExample:\n  millwright gateway credential add hall-th --state /var/lib/millwright/gateway --publish "hall/th/#"',
    )
    .action(async (username: string, flags: CredentialFlags) => {
      const { addCredential } = await import('./credential-commands.ts');
      console.log(await addCredential(username, flags));
    });
  credential
    .command('list')
    .description('List credentials and their topics')
    .requiredOption('--state <directory>', "the gateway's state folder")
    .action(async (flags: { readonly state: string }) => {
      const { listCredentials } = await import('./credential-commands.ts');
      console.log(await listCredentials(flags.state));
    });
  credential
    .command('remove <username>')
    .description('Remove a credential; whoever uses it is disconnected')
    .requiredOption('--state <directory>', "the gateway's state folder")
    .action(async (username: string, flags: { readonly state: string }) => {
      const { removeCredential } = await import('./credential-commands.ts');
      console.log(await removeCredential(username, flags.state));
    });
}

export interface CredentialFlags {
  readonly state: string;
  readonly publish?: readonly string[];
  readonly subscribe?: readonly string[];
  readonly passwordFile?: string;
}
