import { resolve } from 'node:path';
import type { DeviceSpec } from '@millwright/protocol';
import { type Command, Option } from 'commander';
import type { Environment } from './site.ts';

const FORMATS = ['td', 'sheet', 'ha'] as const;
type Format = (typeof FORMATS)[number];

interface DeriveOptions {
  readonly device?: string;
  readonly types?: readonly string[];
  readonly siteName: string;
  readonly gateway: string;
  readonly broker?: string;
  readonly commands?: boolean;
}

/** Adds `derive` to the `millwright device` command. */
export function registerDerive(device: Command, environment: Environment): void {
  device
    .command('derive')
    .description(
      'Print what follows from a device file: for people, for the Web of Things, for Home Assistant',
    )
    .addArgument(
      device
        .createArgument('<format>', 'td: Thing Description; sheet: on paper; ha: Home Assistant')
        .choices(FORMATS),
    )
    .argument('<site>', 'site file')
    .option('--device <id>', 'only this device')
    .option('--types <folder...>', 'folders with device types, beside the shipped ones')
    .addOption(new Option('--site-name <name>', 'the site, as in gateway.yaml').default('site'))
    .addOption(new Option('--gateway <name>', 'the gateway, as in gateway.yaml').default('gateway'))
    .option('--broker <url>', "td: how the gateway's own broker is reached, such as mqtt://10.0.4.2:1883")
    .option('--commands', 'ha: with topics for commands, as with a role configured')
    .addHelpText(
      'after',
      `
Examples:
  millwright device derive sheet site.yaml --device pump-1 > pump-1.md
  millwright device derive td site.yaml --site-name water-works
  millwright device derive ha site.yaml --device pump-1 --commands
`,
    )
    .action(async (format: Format, site: string, options: DeriveOptions) => {
      const { print } = await import('./print.ts');
      print(await derive(format, resolve(site), options, environment));
    });
}

/** @throws InvalidInputError `UNKNOWN_DEVICE`, `CONFIG_INVALID`, `FILE_MISSING` */
async function derive(
  format: Format,
  site: string,
  options: DeriveOptions,
  environment: Environment,
): Promise<string> {
  const [{ InvalidInputError }, { readSite }, derivations] = await Promise.all([
    import('@millwright/protocol'),
    import('./site.ts'),
    import('../derive/index.ts'),
  ]);
  const all = await readSite(site, options.types ?? [], environment);
  const specs = options.device === undefined ? all : all.filter(({ id }) => id === options.device);
  if (specs.length === 0 && options.device !== undefined) {
    throw new InvalidInputError('UNKNOWN_DEVICE', `there is no device "${options.device}" in ${site}`, {
      hint: `there are ${all.map(({ id }) => id).join(', ')}`,
    });
  }
  const { siteName, gateway, broker, commands = false } = options;
  const { deviceSheet, homeAssistantConfigs, thingDescription } = derivations;
  const topics = {
    point: derivations.DEFAULT_POINT_TOPIC,
    availability: derivations.DEFAULT_AVAILABILITY_TOPIC,
    presence: derivations.DEFAULT_PRESENCE_TOPIC,
  };
  const thing = (spec: DeviceSpec) =>
    thingDescription(spec, { site: siteName, gateway, ...(broker === undefined ? {} : { broker }) });
  switch (format) {
    case 'sheet':
      return specs.map(deviceSheet).join('\n\n');
    case 'td':
      return asJson(
        specs.length === 1 && options.device !== undefined ? specs.map(thing)[0] : specs.map(thing),
      );
    case 'ha': {
      const messages = specs.flatMap((spec) =>
        homeAssistantConfigs(spec, { site: siteName, gateway, topics, commands }),
      );
      return asJson(messages);
    }
  }
}

function asJson(value: unknown): string {
  return JSON.stringify(value, null, 2);
}
