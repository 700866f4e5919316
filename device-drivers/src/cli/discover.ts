import { access, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  CONNECT_SCHEMAS,
  type DeviceSpecOf,
  type DriverName,
  DurationMs,
  InvalidInputError,
  resolveSite,
} from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import pino from 'pino';
import { parse, stringify } from 'yaml';
import type { FoundDevice, MqttLink } from '../driver.ts';
import { DRIVER_MODULES } from '../index.ts';
import { print } from './print.ts';
import type { Environment } from './site.ts';
import { driverFilesIn } from './state.ts';

export interface DiscoverOptions {
  readonly from?: string;
  readonly maxPoints?: number;
  readonly models?: string;
  readonly timeout?: string;
  readonly json?: boolean;
  readonly out?: string;
  readonly type?: string;
  readonly broker?: string;
  readonly username?: string;
  readonly passwordEnv?: string;
  readonly state?: string;
}

const MAX_POINTS = 1000;

/**
 * Prints what a driver finds at an address, as devices of a site file or as one device type.
 * @param settings the `connect` block, each as `key=value`
 * @throws InvalidInputError `USAGE`; UnavailableError `DEVICE_OFFLINE`
 */
export async function discover(
  target: { readonly driver: string; readonly settings: readonly string[] },
  options: DiscoverOptions,
  environment: Environment,
): Promise<void> {
  const driver = driverNamed(target.driver);
  const found = await lookFor(driver, target.settings, options, environment);
  if (options.json) {
    print(JSON.stringify(found, null, 2));
    return;
  }
  const described = found.filter(({ body }) => Object.keys(body.points ?? {}).length > 0);
  if (described.length === 0) {
    const looked = found.map((device) => comments(device)).join('');
    print(found.length === 0 ? 'nothing was found' : `${looked}no points were found there`);
    process.exitCode = 1;
    return;
  }
  await tell(driver, described, options);
}

function driverNamed(name: string): DriverName {
  const names = Object.keys(DRIVER_MODULES) as DriverName[];
  const found = names.find((each) => each === name);
  if (found !== undefined) return found;
  throw new InvalidInputError('USAGE', `there is no driver "${name}"`, {
    hint: `there are ${names.join(', ')}`,
  });
}

async function lookFor<D extends DriverName>(
  driver: D,
  settings: readonly string[],
  options: DiscoverOptions,
  environment: Environment,
): Promise<FoundDevice[]> {
  const module = await DRIVER_MODULES[driver]();
  const look = module.discover;
  if (look === undefined) {
    throw new InvalidInputError('USAGE', `driver "${driver}" cannot look for devices`, {
      hint: 'describe the device in a site file: see docs/guides/device-files.md',
    });
  }
  const { clock, logger } = { clock: systemClock, logger: pino({ level: 'silent' }) };
  const connect = connectOf(driver, settings);
  const localBroker = await brokerOf(options, environment);
  const secret = (name: string) => environment[name];
  const signal = AbortSignal.timeout(timeoutOf(options.timeout ?? '60s'));
  const { from, models, maxPoints = MAX_POINTS } = options;
  const where = {
    ...(from === undefined ? {} : { from }),
    ...(models === undefined ? {} : { models: resolve(models) }),
  };
  const found: FoundDevice[] = [];
  await localBroker?.start();
  try {
    const devices = look(
      { connect, maxPoints, ...where },
      {
        ...{ clock, logger, secret, ...driverFilesIn(options.state) },
        ...(localBroker === undefined ? {} : { localBroker }),
      },
      { signal },
    );
    for await (const device of devices) found.push(device);
  } finally {
    await localBroker?.stop();
  }
  return found;
}

/** `tcp=10.0.4.7:502 unit=7` as a `connect` block of the driver. */
function connectOf<D extends DriverName>(driver: D, settings: readonly string[]): DeviceSpecOf<D>['connect'] {
  const written: Record<string, unknown> = {};
  for (const setting of settings) {
    const equals = setting.indexOf('=');
    if (equals < 1) throw new InvalidInputError('USAGE', `"${setting}" is not written key=value`);
    const value = setting.slice(equals + 1);
    const read: unknown = parse(value);
    written[setting.slice(0, equals)] = read ?? value;
  }
  const parsed = CONNECT_SCHEMAS[driver].safeParse(written);
  if (parsed.success) return parsed.data as DeviceSpecOf<D>['connect'];
  const lines = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'connect'}: ${message}`);
  throw new InvalidInputError('USAGE', lines.join('\n'), {
    hint: `say where to look as key=value, as in the "connect" block of a ${driver} device`,
  });
}

async function brokerOf(options: DiscoverOptions, environment: Environment): Promise<MqttLink | undefined> {
  const { broker, username, passwordEnv } = options;
  if (broker === undefined) return undefined;
  const password = passwordEnv === undefined ? undefined : environment[passwordEnv];
  const { MqttClientLink } = await import('../mqtt/client-link.ts');
  return new MqttClientLink(
    { clock: systemClock, logger: pino({ level: 'silent' }) },
    {
      url: broker,
      clientId: `millwright-discover-${process.pid}`,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    },
  );
}

function timeoutOf(text: string): number {
  const parsed = DurationMs.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new InvalidInputError(
    'USAGE',
    `--timeout: ${parsed.error.issues.map(({ message }) => message).join()}`,
  );
}

async function tell(
  driver: DriverName,
  found: readonly FoundDevice[],
  options: DiscoverOptions,
): Promise<void> {
  const text = options.type === undefined ? asSite(driver, found) : asType(driver, found, options.type);
  if (options.out === undefined) {
    print(text.trimEnd());
    return;
  }
  const out = resolve(options.out);
  const isThere = await access(out).then(
    () => true,
    () => false,
  );
  if (isThere)
    throw new InvalidInputError('USAGE', `${options.out} is there already; it is never written over`);
  await writeFile(out, text);
  const [first] = found;
  const use =
    options.type === undefined || first === undefined
      ? ''
      : `\nIn a site file:\n${stringify([{ id: first.id, type: options.type, connect: first.body.connect }])}`;
  print(`wrote ${options.out}: ${found.map(({ title }) => title).join('; ')}${use}`.trimEnd());
}

function comments({ title, notes = [] }: FoundDevice): string {
  return [title, ...notes].map((line) => `# ${line.replaceAll('\n', ' ')}\n`).join('');
}

function asSite(driver: DriverName, found: readonly FoundDevice[]): string {
  const text = found
    .map((device) => comments(device) + stringify([{ id: device.id, driver, ...device.body }]))
    .join('');
  // What a driver describes must be what the gateway takes.
  resolveSite({ site: { name: 'what was found', text }, types: [] });
  return text;
}

function asType(driver: DriverName, found: readonly FoundDevice[], type: string): string {
  const [device, ...others] = found;
  if (device === undefined || others.length > 0) {
    throw new InvalidInputError('USAGE', `${found.length} devices were found, but --type describes one`, {
      hint: 'leave --type out, or narrow it down with --from or the connection',
    });
  }
  const { connect, ...body } = device.body;
  const text = comments(device) + stringify({ type, label: device.title.slice(0, 200), driver, ...body });
  const site = stringify([{ id: device.id, type, connect }]);
  resolveSite({ site: { name: 'what was found', text: site }, types: [{ name: 'what was found', text }] });
  return text;
}
