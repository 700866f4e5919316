import { readFile, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { InvalidInputError, type Logger, parseYamlDocument, startAll, stopAll } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { ReadyFile, untilTold } from '@millwright/protocol/node/process';
import pino from 'pino';
import { SimulatorConfig, SimulatorsFile } from '../simulators/config.ts';
import { createSimulator, type Simulator } from '../simulators/simulator.ts';
import { print } from './print.ts';
import { table } from './table.ts';

export interface SimulateOptions {
  readonly kind?: string | undefined;
  readonly recording?: string | undefined;
  readonly config?: string;
  readonly readyFile?: string;
  readonly typeFile?: string;
  /** The others describe one machine: see `SimulatorConfig`. */
  readonly [name: string]: unknown;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Runs simulators until SIGINT, SIGTERM or the end of the process that started this one. */
export async function runSimulate(options: SimulateOptions, environment: Environment): Promise<void> {
  await untilTold(async ({ promise: told }) => {
    const logger: Logger = pino({ name: 'simulators' }, pino.destination({ dest: 2, sync: true }));
    const { configs, folder } = await configsFrom(options, environment);
    const deps = { clock: systemClock, logger, secret: (name: string) => environment[name], folder };
    const simulators: Simulator[] = [];
    for (const config of configs) simulators.push(await createSimulator(config, deps));
    await writeTypes(simulators, options.typeFile);
    const file = options.readyFile === undefined ? undefined : new ReadyFile({ logger }, options.readyFile);
    await file?.remove();
    try {
      await startAll(simulators);
      print(description(simulators));
      await file?.write(announcement(simulators));
      await told;
    } finally {
      await file?.remove();
      await stopAll(simulators);
    }
  });
}

/** @throws InvalidInputError */
export async function configsFrom(
  options: SimulateOptions,
  environment: Environment,
): Promise<{ readonly configs: readonly SimulatorConfig[]; readonly folder: string }> {
  const { kind, recording, config, readyFile, typeFile, ...single } = options;
  if (config !== undefined) {
    const extra = Object.keys(single).map(flag);
    if (kind !== undefined || extra.length > 0) {
      const what = [...(kind === undefined ? [] : [`"${kind}"`]), ...extra].join(', ');
      throw new InvalidInputError(
        'USAGE',
        `with --config the machines are described in the file, not by ${what}`,
      );
    }
    const name = resolve(config);
    const file = { name, text: await readText(name) };
    return {
      configs: parseYamlDocument(file, SimulatorsFile, { variables: environment }),
      folder: dirname(name),
    };
  }
  if (kind === undefined) {
    throw new InvalidInputError('USAGE', 'nothing to simulate: name a machine or a --config file', {
      hint: 'for example "millwright simulate pump-skid --port 5020"; --help lists the others',
    });
  }
  if (kind === 'replay' && recording === undefined) {
    throw new InvalidInputError('USAGE', 'a replay needs a recording', {
      hint: 'name a CSV file: millwright simulate replay recording.csv --port 5030',
    });
  }
  if (kind === 'type' && recording === undefined) {
    throw new InvalidInputError('USAGE', 'name the device type to simulate', {
      hint: 'name its file: millwright simulate type types/acme-em3.yaml --port 5022',
    });
  }
  const described = { kind, ...single, ...(recording === undefined ? {} : { file: recording }) };
  const parsed = SimulatorConfig.safeParse(described);
  if (parsed.success) return { configs: [parsed.data], folder: process.cwd() };
  const problems = parsed.error.issues.map((issue) =>
    issue.code === 'unrecognized_keys'
      ? `${issue.keys.map((key) => (key === 'file' ? `"${recording}"` : flag(key))).join(', ')} is not for ${kind}`
      : `${issue.path.length > 0 ? `${flag(String(issue.path[0]))}: ` : ''}${issue.message}`,
  );
  throw new InvalidInputError('USAGE', problems.join('\n'));
}

function flag(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new InvalidInputError('FILE_MISSING', `cannot read ${file}`, {
      hint: 'check the path after --config',
      cause,
    });
  }
}

async function writeTypes(simulators: readonly Simulator[], file: string | undefined): Promise<void> {
  if (file === undefined) return;
  const text = simulators.map((simulator) => simulator.typeFile?.()).find((each) => each !== undefined);
  if (text === undefined) {
    throw new InvalidInputError(
      'USAGE',
      '--type-file is for replay: the types of the other machines are shipped',
      {
        hint: 'see "millwright device types"',
      },
    );
  }
  await writeFile(resolve(file), text);
}

function description(simulators: readonly Simulator[]): string {
  const rows = simulators.map((simulator) => [simulator.id, simulator.kind, simulator.address()]);
  const devices = simulators.flatMap((simulator) => simulator.devices());
  const lines = devices.map(({ id, type, connect }) => {
    const pairs = Object.entries(connect).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
    return `- { id: ${id}, type: ${type}, connect: { ${pairs.join(', ')} } }`;
  });
  return `${table(['ID', 'KIND', 'ADDRESS'], rows)}\n\nIn a site file:\n${lines.join('\n')}\n\nCtrl-C ends it.`;
}

function announcement(simulators: readonly Simulator[]): object {
  return {
    pid: process.pid,
    simulators: simulators.map((simulator) => ({
      id: simulator.id,
      kind: simulator.kind,
      address: simulator.address(),
      port: simulator.port(),
      devices: simulator.devices(),
    })),
  };
}
