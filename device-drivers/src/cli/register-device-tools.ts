import { resolve } from 'node:path';
import { Argument, type Command, InvalidArgumentError } from 'commander';
import type { DiscoverOptions } from './discover.ts';
import type { PlanOptions } from './plan.ts';
import type { SchemaName } from './schema.ts';
import type { Environment } from './site.ts';

/** `plan`, `discover` and `schema`. */
export function registerDeviceTools(device: Command, environment: Environment): void {
  device
    .command('plan')
    .description('Print what will be asked of each device and how often, without talking to any')
    .argument('<site>', 'site file')
    .argument('[device]', 'only this one')
    .option('--types <folder...>', 'folders with device types, beside the shipped ones')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  millwright device plan site.yaml\n  millwright device plan site.yaml meter-7 --json\n',
    )
    .action(async (site: string, id: string | undefined, options: PlanOptions) => {
      const { planSite } = await import('./plan.ts');
      await planSite({ site: resolve(site), device: id }, options, environment);
    });

  device
    .command('discover')
    .description('Look at an address for devices and describe what is there; reads only')
    .argument('<driver>', 'modbus (SunSpec), opcua (browse), …')
    .argument('[settings...]', 'the connection, as key=value, as in a "connect" block')
    .option('--from <place>', 'where to begin: an OPC UA node, a topic')
    .option('--max-points <number>', 'stop after so many points (default: 1000)', whole)
    .option('--models <folder>', 'SunSpec: the folder of model definitions, of github.com/sunspec/models')
    .option('--timeout <duration>', 'how long to look', '60s')
    .option('--type <name@revision>', 'write it as a device type of this name instead of a site')
    .option('-o, --out <file>', 'write it there; a file that is there is never written over')
    .option('--state <folder>', "a gateway's state folder: its certificates and its trust are used (OPC UA)")
    .option('--broker <url>', "for devices on a gateway's own broker: where it listens")
    .option('--username <name>', 'login name at that broker')
    .option('--password-env <variable>', 'environment variable that holds the password')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  millwright device discover modbus tcp=10.0.4.7:502 unit=1 --models models/json
  millwright device discover modbus tcp=10.0.4.7:502 --models models/json --type acme-inverter@1 -o types/acme-inverter.yaml
  millwright device discover opcua url=opc.tcp://10.0.4.20:4840 --from "ns=3;s=Press" --max-points 200
`,
    )
    .action(async (driver: string, settings: string[], options: DiscoverOptions) => {
      const { discover } = await import('./discover.ts');
      await discover({ driver, settings }, options, environment);
    });

  device
    .command('schema')
    .description('Print the JSON Schema of site files or device types, for editors')
    .addArgument(new Argument('<what>', 'the kind of file').choices(['site', 'type']))
    .option('-o, --out <file>', 'write it there')
    .addHelpText(
      'after',
      `
Example:
  millwright device schema site -o site.schema.json

A file that begins with
  # yaml-language-server: $schema=site.schema.json
is then completed and checked while it is written (VS Code with the YAML extension, and others).
`,
    )
    .action(async (what: SchemaName, options: { readonly out?: string }) => {
      const { tellSchema } = await import('./schema.ts');
      await tellSchema(what, options);
    });
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('It is not a whole number above 0.');
  return value;
}
