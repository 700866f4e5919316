import { resolve } from 'node:path';
import type { Command } from 'commander';
import { registerUp } from './up/cli.ts';

/** Adds this room's nouns to the `millwright` command. */
export function register(program: Command): void {
  program
    .command('cloud')
    .description('The cloud: merges regions and writes the vault')
    .command('run')
    .description('Run the cloud until it is told to stop')
    .requiredOption('--config <file>', 'cloud.yaml')
    .requiredOption('--state <directory>', 'where it keeps what is not in the database')
    .option('--ready-file <file>', 'written as JSON once it listens')
    .addHelpText(
      'after',
      '\nExample:\n  millwright cloud run --config cloud.yaml --state /var/lib/millwright/cloud\n',
    )
    .action(async (options: { config: string; state: string; readyFile?: string }) => {
      const { runCloud } = await import('./run-cloud.ts');
      await runCloud(
        { ...options, config: resolve(options.config), state: resolve(options.state) },
        process.env,
      );
    });
  registerUp(program);
}
