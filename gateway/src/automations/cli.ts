import { resolve } from 'node:path';
import type { Command } from 'commander';

interface CheckFlags {
  readonly config?: string;
}

interface TestFlags {
  readonly rule?: string;
  readonly from?: string;
  readonly to?: string;
  readonly state?: string;
  readonly region?: string;
  readonly tokenFile?: string;
  readonly site?: string;
  readonly csv?: string;
  readonly config?: string;
}

const paths = (files: readonly string[]) => files.map((file) => resolve(file));
const path = (file: string | undefined) => (file === undefined ? {} : { config: resolve(file) });

/** `millwright rule …` */
export function registerRules(program: Command): void {
  const rule = program.command('rule').description('Rules: what a gateway does by itself');

  rule
    .command('list')
    .description('Show the rules of a running gateway, or those in files')
    .argument('[files...]', 'rule files, instead of a running gateway')
    .option('--gateway <url>', 'where its API is', 'http://127.0.0.1:8470/')
    .option('--state <directory>', 'its state folder, where its API takes a token')
    .addHelpText('after', '\nExamples:\n  millwright rule list\n  millwright rule list rules.d/*.yaml')
    .action(
      async (files: readonly string[], flags: { readonly gateway: string; readonly state?: string }) => {
        const { listRules } = await import('./list-rules.ts');
        console.log(await listRules(paths(files), flags, process.env));
      },
    );

  rule
    .command('check')
    .description('Check rule files and run the tests in and beside them; exit code 1 when something is wrong')
    .argument('<files...>', 'rule files')
    .option('--config <file>', 'gateway.yaml: check the points, too, and know where the site is')
    .addHelpText(
      'after',
      '\nTests stand in a rule under "tests", or in <file>.test.yaml beside it.\n\nExample:\n  millwright rule check rules.d/*.yaml --config gateway.yaml',
    )
    .action(async (files: readonly string[], flags: CheckFlags) => {
      const { checkRules } = await import('./check-rules.ts');
      const { isFine, report } = await checkRules(paths(files), path(flags.config), process.env);
      console.log(report);
      if (!isFine) process.exitCode = 1;
    });

  rule
    .command('test')
    .description('Replay recorded samples and say when a rule would have fired, and what it would have done')
    .argument('<file>', 'the rule file')
    .option('--rule <id>', 'which rule, where the file has several')
    .option('--from <time>', 'ISO-8601; default the first sample (with --region: a day ago)')
    .option('--to <time>', 'ISO-8601; default the last sample (with --region: now)')
    .option('--state <directory>', "a gateway's state folder: replay its journal")
    .option('--region <url>', "a region's API: replay its history")
    .option('--token-file <file>', "the token for the region's API")
    .option('--site <site>', 'where the devices are, when the region has several of the same name')
    .option('--csv <file>', 'replay a recording: a time and a column per point')
    .option('--config <file>', 'gateway.yaml, which says where the site is')
    .addHelpText(
      'after',
      [
        '',
        'Nothing is written and nobody is told. What the rule would have done to its own inputs is not replayed.',
        '',
        'Examples:',
        '  millwright rule test rules.d/hot.yaml --state /var/lib/millwright/gateway --from 2026-06-01T00:00Z',
        '  millwright rule test rules.d/hot.yaml --region http://127.0.0.1:8480 --token-file state/api-token',
        '  millwright rule test rules.d/pump.yaml --csv recording.csv',
      ].join('\n'),
    )
    .action(async (file: string, { config, ...flags }: TestFlags) => {
      const { tryRule } = await import('./try-rule.ts');
      await tryRule(resolve(file), { ...flags, ...path(config) }, process.env, console.log);
    });

  rule
    .command('explain')
    .description('Say in sentences what rules do')
    .argument('<files...>', 'rule files')
    .option('--config <file>', 'gateway.yaml, which says where the site is')
    .action(async (files: readonly string[], flags: CheckFlags) => {
      const { explainFiles } = await import('./explain-rule.ts');
      console.log(await explainFiles(paths(files), path(flags.config), process.env));
    });
}
