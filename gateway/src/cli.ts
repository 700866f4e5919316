import { resolve } from 'node:path';
import type { Command } from 'commander';
import { registerAdopt } from './adopt/cli.ts';
import { registerAlarms } from './alarms/cli.ts';
import { registerRules } from './automations/cli.ts';
import { registerBroker } from './broker/cli.ts';
import { registerWrite } from './commands/cli.ts';
import { registerOpcua } from './opcua-server/cli.ts';

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
        'SIGHUP reads the device and rule files again; a wrong file changes nothing.',
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

  registerBroker(gateway);
  registerOpcua(program);
  registerWrite(gateway);
  registerAlarms(program);
  registerAdopt(program);
  registerRules(program);
}
