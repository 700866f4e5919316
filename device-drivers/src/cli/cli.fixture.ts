import { Command } from 'commander';
import { register } from '../cli.ts';

/** This room's commands alone, failing as the `millwright` command does. */
const program = new Command('millwright');
register(program);
program.parseAsync().catch((error) => {
  process.stderr.write(`${error.message}\n${error.hint ?? ''}\n`);
  process.exitCode = error.code === 'CONFIG_INVALID' ? 2 : 1;
});
