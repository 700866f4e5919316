import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';

const DEFAULT_PORT_BASE = 7300;

/** Adds `millwright up`. */
export function registerUp(program: Command): void {
  program
    .command('up')
    .description('Run a whole world on this machine: simulated devices, gateways, regions, cloud and vault')
    .argument('<directory>', 'folder with a world.yaml, such as docs/examples/small-world')
    .option(
      '--state <directory>',
      'where everything is kept; a second start goes on from it',
      '.state/small-world',
    )
    .option(
      '--port-base <number>',
      'first port of the world; all others follow it',
      parsePort,
      DEFAULT_PORT_BASE,
    )
    .option(
      '--ready-file <file>',
      'write addresses, a bearer token and process ids there, as JSON, once all is ready',
    )
    .addHelpText('after', '\nExample:\n  millwright up docs/examples/small-world --port-base 8300\n')
    .action(async (directory: string, options: { state: string; portBase: number; readyFile?: string }) => {
      const { runUp } = await import('./run.ts');
      await runUp({
        directory: resolve(directory),
        state: resolve(options.state),
        portBase: options.portBase,
        program: resolve(process.argv[1] ?? 'millwright.ts'),
        ...(options.readyFile === undefined ? {} : { readyFile: resolve(options.readyFile) }),
      });
    });
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new InvalidArgumentError('must be a port, 1–65535');
  return port;
}
