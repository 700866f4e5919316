import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';

interface StateOption {
  readonly state: string;
}

/** Adds this room's nouns to the `millwright` command. */
export function register(program: Command): void {
  const region = program
    .command('region')
    .description('A region: gateways, history, console and API')
    .addHelpText(
      'after',
      '\nExample:\n  millwright region run --config region.yaml --state /var/lib/millwright/north\n',
    );
  registerRun(region);
  registerToken(region);
  registerSignInLink(region);
  registerPostgres(program);
}

function registerRun(region: Command): void {
  region
    .command('run')
    .description('Run a region until it is told to stop')
    .requiredOption('--config <file>', 'region.yaml')
    .requiredOption('--state <directory>', 'where keys, the API token and the built-in database are kept')
    .option('--ready-file <file>', 'written as JSON once it is ready, and again when that changes')
    .addHelpText(
      'after',
      '\nExample:\n  millwright region run --config region.yaml --state /var/lib/millwright/north\n',
    )
    .action(async (options: StateOption & { config: string; readyFile?: string }) => {
      const { runRegion } = await import('./run-region.ts');
      await runRegion(
        {
          config: resolve(options.config),
          state: resolve(options.state),
          ...(options.readyFile === undefined ? {} : { readyFile: resolve(options.readyFile) }),
        },
        process.env,
      );
    });
}

function registerToken(region: Command): void {
  const token = region.command('token').description('Tokens with which gateways join this region');
  token
    .command('create')
    .description('Make a one-off token and print it; it is not shown again')
    .requiredOption('--state <directory>', 'state folder of the running region')
    .requiredOption('--site <site>', 'the site whose gateway may use it')
    .option('--expires <duration>', 'how long it is valid, such as 30m, 1h, 7d', parseDuration, 3_600_000)
    .option('--uses <number>', 'how many gateways may use it', parseCount, 1)
    .addHelpText(
      'after',
      '\nExample:\n  millwright region token create --state /var/lib/millwright/north --site hall-1 --expires 1h\n',
    )
    .action(async (options: StateOption & { site: string; expires: number; uses: number }) => {
      const { createToken } = await import('./region-commands.ts');
      await createToken({ ...options, state: resolve(options.state) });
    });
  token
    .command('list')
    .description('List tokens, newest first, without their secrets')
    .requiredOption('--state <directory>', 'state folder of the running region')
    .action(async (options: StateOption) => {
      const { listTokens } = await import('./region-commands.ts');
      await listTokens({ state: resolve(options.state) });
    });
  token
    .command('revoke')
    .description('Make a token useless; gateways that joined with it stay')
    .argument('<id>', 'as "token list" shows it')
    .requiredOption('--state <directory>', 'state folder of the running region')
    .action(async (id: string, options: StateOption) => {
      const { revokeToken } = await import('./region-commands.ts');
      await revokeToken({ id, state: resolve(options.state) });
    });
}

function registerSignInLink(region: Command): void {
  region
    .command('sign-in-link')
    .description('Print a link that signs one browser in, once, within 15 minutes')
    .requiredOption('--state <directory>', 'state folder of the running region')
    .addHelpText('after', '\nExample:\n  millwright region sign-in-link --state /var/lib/millwright/north\n')
    .action(async (options: StateOption) => {
      const { printSignInLink } = await import('./region-commands.ts');
      await printSignInLink({ state: resolve(options.state) });
    });
}

function registerPostgres(program: Command): void {
  program
    .command('postgres')
    .description('The built-in PostgreSQL server')
    .command('run')
    .description('Serve it until it is told to stop; it is restarted when it dies')
    .requiredOption('--state <directory>', 'where its data is kept')
    .option('--database <name>', 'created when missing', 'millwright')
    .option('--socket', 'listen on a Unix socket instead of a port of 127.0.0.1', false)
    .option('--ready-file <file>', 'written as JSON ({ url, pid }) once it serves, and after each restart')
    .addHelpText('after', '\nExample:\n  millwright postgres run --state /var/lib/millwright/cloud-db\n')
    .action(async (options: StateOption & { database: string; socket: boolean; readyFile?: string }) => {
      const { runPostgres } = await import('./postgres/run-postgres.ts');
      const { readyFile, ...rest } = options;
      await runPostgres({
        ...rest,
        state: resolve(options.state),
        ...(readyFile === undefined ? {} : { readyFile: resolve(readyFile) }),
      });
    });
}

function parseDuration(text: string): number {
  const match = /^(\d+)(s|m|h|d)$/.exec(text);
  const unit = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match?.[2] ?? ''];
  if (unit === undefined) throw new InvalidArgumentError('must be a duration, such as 30m, 1h or 7d');
  return Number(match?.[1]) * unit;
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('must be a whole number from 1');
  return count;
}
