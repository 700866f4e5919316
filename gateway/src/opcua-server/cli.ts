import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { TrustOptions } from './trust-commands.ts';

/** Adds `opcua trust list|add|remove` to the `millwright` command. */
export function registerOpcua(program: Command): void {
  const opcua = program.command('opcua').description('OPC UA: whose certificates a gateway trusts');
  const trust = opcua
    .command('trust')
    .description('Applications at the other end, by their certificates; nobody is trusted at first sight');

  withState(trust.command('list'))
    .description('Show who is trusted, and who was rejected and waits for a decision')
    .option('--json', 'print JSON')
    .action(async (options: TrustOptions) => {
      const { listTrust } = await import('./trust-commands.ts');
      await listTrust(placed(options), console.log);
    });

  withState(trust.command('add'))
    .description('Trust a certificate: by its thumbprint once it was seen, or from a file before')
    .argument('<thumbprint|file>', 'at least the first eight digits, or a PEM or DER file')
    .option('--client', "the file is a client's, for this gateway's own OPC UA server")
    .addHelpText(
      'after',
      `
Compare the thumbprint with what the machine itself shows before you trust it.

Examples:
  millwright opcua trust add 3fa9c1d20b77 --state /var/lib/millwright/gateway
  millwright opcua trust add press-2.der --state /var/lib/millwright/gateway
`,
    )
    .action(async (which: string, options: TrustOptions) => {
      const { addTrust } = await import('./trust-commands.ts');
      await addTrust(which, placed(options), console.log);
    });

  withState(trust.command('remove'))
    .description('Trust a certificate no longer; one that was not trusted is forgotten')
    .argument('<thumbprint>', 'at least the first eight digits')
    .action(async (which: string, options: TrustOptions) => {
      const { removeTrust } = await import('./trust-commands.ts');
      await removeTrust(which, placed(options), console.log);
    });
}

function withState(command: Command): Command {
  return command.requiredOption('--state <folder>', "the gateway's state folder");
}

function placed(options: TrustOptions): TrustOptions {
  return { ...options, state: resolve(options.state) };
}
