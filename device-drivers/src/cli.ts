import { resolve } from 'node:path';
import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { registerDerive } from './cli/derive.ts';
import type { DeviceOptions } from './cli/device.ts';
import type { ImportOptions } from './cli/import.ts';
import { registerDeviceTools } from './cli/register-device-tools.ts';
import type { SimulateOptions } from './cli/simulate.ts';
import type { Source } from './importers/index.ts';

const KINDS = ['pump-skid', 'energy-meter', 'air-handler', 'mqtt-sensors', 'replay', 'type'];

/** Adds this room's nouns to the `millwright` command. */
export function register(program: Command): void {
  registerSimulate(program);
  registerDevice(program);
}

function registerSimulate(program: Command): void {
  program
    .command('simulate')
    .description('Run simulated machines that speak the real protocols, until stopped')
    .addArgument(new Argument('[kind]', 'one machine, described by options').choices(KINDS))
    .argument('[file]', 'for replay: the CSV file to play; for type: a Modbus device type')
    .option('-c, --config <file>', 'many machines, listed in a YAML file')
    .option('--ready-file <file>', 'written as JSON once everything listens')
    .option('--id <name>', 'its name (default: the kind)')
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option('--port <number>', 'port to listen on; 0 takes any free one', number)
    .option('--seed <number>', 'the same seed makes the same history', number)
    .option('--speed <factor>', 'how many times as fast as the clock', number)
    .option('--rtu-over-tcp', 'Modbus: RTU frames on the TCP socket')
    .option('--unit <number>', 'Modbus: answer only to this unit', number)
    .option('--anomaly-every <duration>', 'pump-skid: mean time between anomalies, such as 15m; 0s for none')
    .option('--broker <url>', 'MQTT: mqtt://host:port')
    .option('--base <topic>', 'MQTT: what topics begin with')
    .option('--rooms <names>', 'mqtt-sensors: rooms, separated by commas', names)
    .option('--thermostats <names>', 'mqtt-sensors: which of them have a thermostat', names)
    .option('--every <duration>', 'mqtt-sensors: how often values are told, such as 5s')
    .option('--username <name>', 'MQTT: login name')
    .option('--password-env <variable>', 'MQTT: environment variable that holds the password')
    .addOption(new Option('--as <encoding>', 'replay on Modbus').choices(['float32', 'float64']))
    .option('--type-file <file>', 'replay: write the device type that reads it')
    .addHelpText(
      'after',
      `
Examples:
  millwright simulate pump-skid --port 5020 --seed 7
  millwright simulate air-handler --speed 60
  millwright simulate mqtt-sensors --broker mqtt://127.0.0.1:1883 --rooms lab,office
  millwright simulate replay recording.csv --port 5030 --speed 10 --type-file types/recording.yaml
  millwright simulate type types/acme-em3.yaml --port 5022
  millwright simulate --config sims.yaml

sims.yaml:
  - id: pump-1
    kind: pump-skid
    port: \${PUMP_PORT:-5020}
    seed: 7
  - id: rooms
    kind: mqtt-sensors
    broker: mqtt://127.0.0.1:1883
    username: sims
    passwordEnv: SIMS_PASSWORD
`,
    )
    .action(async (kind: string | undefined, recording: string | undefined, options: SimulateOptions) => {
      const { runSimulate } = await import('./cli/simulate.ts');
      await runSimulate({ ...options, kind, recording }, process.env);
    });
}

function registerDevice(program: Command): void {
  // The gateway has verbs of this noun, too.
  const known = program.commands.find((command) => command.name() === 'device');
  const device = (known ?? program.command('device')).description(
    'Look at device types and site files, talk to a device, and adopt what a gateway has found',
  );
  registerDerive(device, process.env);
  registerDeviceTools(device, process.env);

  device
    .command('types')
    .description('List the device types that come with Millwright, or show one')
    .argument('[type]', 'such as pump-skid@1: print its file')
    .action(async (type: string | undefined) => {
      const { listTypes } = await import('./cli/types.ts');
      await listTypes(type);
    });

  device
    .command('check')
    .description('Check a site file: says what is wrong and where, or what is in it')
    .argument('<site>', 'site file')
    .option('--types <folder...>', 'folders with device types, beside the shipped ones')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  millwright device check site.yaml --types my-types\n')
    .action(async (site: string, options: DeviceOptions) => {
      const { checkSite } = await import('./cli/device.ts');
      await checkSite(resolve(site), options, process.env);
    });

  device
    .command('import')
    .description(
      "Turn another gateway's device files into a site file, and say what could not be carried over",
    )
    .addArgument(new Argument('<source>', 'whose files they are').choices(['neuron', 'thingsboard', 'edgex']))
    .argument('<files...>', 'JSON or YAML')
    .option('-o, --out <file>', 'write it there; a file that is there is never written over')
    .addHelpText(
      'after',
      `
Examples:
  millwright device import neuron drivers.json
  millwright device import thingsboard modbus.json --out site.yaml
  millwright device import edgex profile.yaml devices.yaml --out site.yaml
`,
    )
    .action(async (source: Source, files: string[], options: ImportOptions) => {
      const { importSite } = await import('./cli/import.ts');
      await importSite(source, files, options);
    });

  talking(device.command('read'))
    .description('Read a device once through its driver and print the values')
    .argument('<site>', 'site file')
    .argument('<device>', 'its id')
    .argument('[points...]', 'only these')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  millwright device read site.yaml pump-1 flow head\n')
    .action(async (site: string, id: string, points: string[], options: DeviceOptions) => {
      const { readDevice } = await import('./cli/device.ts');
      await readDevice({ site: resolve(site), device: id, points }, options, process.env);
    });

  talking(device.command('write'))
    .description('Write one point straight to the device, past gateway and journal: for commissioning')
    .argument('<site>', 'site file')
    .argument('<device>', 'its id')
    .argument('<point>', 'a point with a write block')
    .argument('<value>', 'in the unit of the point; true or false for a switch')
    .option('--yes', 'do it; without it only what would be done is told')
    .addHelpText(
      'after',
      '\nExample:\n  millwright device write site.yaml pump-1 speed_setpoint 2400 --yes\n',
    )
    .action(async (site: string, id: string, point: string, value: string, options: DeviceOptions) => {
      const { writeDevice } = await import('./cli/device.ts');
      await writeDevice({ site: resolve(site), device: id, point, value }, options, process.env);
    });
}

function talking(command: Command): Command {
  return command
    .option('--types <folder...>', 'folders with device types, beside the shipped ones')
    .option('--timeout <duration>', 'how long to wait for the device', '10s')
    .option('--state <folder>', "a gateway's state folder: its certificates and its trust are used (OPC UA)")
    .option('--broker <url>', 'for devices with "broker: local": where the gateway\'s broker listens')
    .option('--username <name>', 'login name at that broker')
    .option('--password-env <variable>', 'environment variable that holds the password');
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It is not a number.');
  return value;
}

function names(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
