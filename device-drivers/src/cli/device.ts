import {
  type DeviceSpec,
  DurationMs,
  describedPoints,
  describeError,
  InvalidInputError,
  type Logger,
  type PointId,
  type PointSpec,
  presentationOf,
  presented,
  type Sample,
  toJsonValue,
  UnavailableError,
  type Value,
} from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import pino from 'pino';
import type { MqttLink } from '../driver.ts';
import { Conversation, type ConversationDeps } from './conversation.ts';
import { print } from './print.ts';
import { type Environment, lineOf, readSite } from './site.ts';
import { driverFilesIn } from './state.ts';
import { table } from './table.ts';
import { valueFrom } from './value.ts';

export interface DeviceOptions {
  readonly types?: readonly string[];
  readonly timeout?: string;
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly broker?: string;
  readonly username?: string;
  readonly passwordEnv?: string;
  readonly state?: string;
}

/** @throws InvalidInputError `CONFIG_INVALID` with one line per problem */
export async function checkSite(
  site: string,
  options: DeviceOptions,
  environment: Environment,
): Promise<void> {
  const specs = await readSite(site, options.types ?? [], environment);
  const problems: string[] = [];
  const rows: string[][] = [];
  const told: object[] = [];
  for (const spec of specs) {
    const localBroker = await localBrokerFor(spec, { ...options, broker: 'mqtt://127.0.0.1' }, environment);
    try {
      await Conversation.with(spec, conversationDeps(environment, localBroker));
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      problems.push(`${site}: ${spec.id}: ${describeError(error)}`);
    }
    const points = Object.values(spec.points);
    const writable = points.filter((point) => point.write !== undefined).length;
    const { line } = await lineOf(spec);
    const computed = Object.keys(spec.computed ?? {}).length;
    const total = String(points.length + computed);
    const counts = [total, computed === 0 ? '–' : String(computed), String(writable)];
    rows.push([spec.id, spec.type ?? '–', spec.driver, ...counts, line]);
    told.push({
      id: spec.id,
      type: spec.type,
      driver: spec.driver,
      points: points.length,
      computed,
      writable,
      line,
    });
  }
  if (problems.length > 0) throw new InvalidInputError('CONFIG_INVALID', problems.join('\n'));
  if (options.json) {
    print(JSON.stringify({ site, devices: told }, null, 2));
    return;
  }
  print(table(['DEVICE', 'TYPE', 'DRIVER', 'POINTS', 'COMPUTED', 'WRITABLE', 'LINE'], rows));
  const points = specs.reduce((sum, spec) => sum + describedPoints(spec).size, 0);
  print(`\n${site} is right: ${specs.length} devices, ${points} points`);
}

/** Prints each point's value once; the exit code is 1 when one of them has no good value. */
export async function readDevice(
  target: { readonly site: string; readonly device: string; readonly points: readonly string[] },
  options: DeviceOptions,
  environment: Environment,
): Promise<void> {
  const spec = await specOf(target, options, environment);
  const points =
    target.points.length === 0 ? pointsOf(spec) : target.points.map((name) => pointOf(spec, name));
  const conversation = await conversationWith(spec, options, environment);
  try {
    await conversation.start();
    const complete = await conversation.awaitGood(points, timeoutOf(options));
    const away = conversation.offlineBecause;
    if (away !== undefined) throw new UnavailableError('DEVICE_OFFLINE', `${spec.id}: ${away}`);
    print(options.json ? asJson(conversation, points) : asTable(conversation, points));
    if (!complete) process.exitCode = 1;
  } finally {
    await conversation.stop();
  }
}

/** @throws InvalidInputError before anything is sent; UnavailableError when the device is away or does not confirm */
export async function writeDevice(
  target: { readonly site: string; readonly device: string; readonly point: string; readonly value: string },
  options: DeviceOptions,
  environment: Environment,
): Promise<void> {
  const spec = await specOf(target, options, environment);
  const point = pointOf(spec, target.point);
  const pointSpec = specOfPoint(spec, point);
  const value = valueFrom(target.value, point, pointSpec);
  const said = `${spec.id} ${point} = ${withUnit(value, pointSpec)}`;
  if (options.yes !== true) {
    print(`would write ${said}, straight to the device; add --yes to do it`);
    return;
  }
  const conversation = await conversationWith(spec, options, environment);
  try {
    const timeoutMs = timeoutOf(options);
    await conversation.start();
    await conversation.awaitOnline(timeoutMs);
    const signal = AbortSignal.timeout(timeoutMs);
    await conversation.driver.write(spec.id, point, value, { signal });
    const { readback, tolerance } = pointSpec.write?.confirm ?? { readback: timeoutMs, tolerance: 0 };
    let found: Value = null;
    const confirmed = await conversation.until(async () => {
      found = await readBack(conversation, point, signal);
      return isSame(value, found, pointSpec, tolerance);
    }, readback);
    if (!confirmed) {
      throw new UnavailableError(
        'READBACK_MISMATCH',
        `wrote ${said}, but reads ${withUnit(found, pointSpec)}`,
        {
          retry: 'never',
        },
      );
    }
    print(`wrote ${said}; it reads ${withUnit(found, pointSpec)}`);
  } finally {
    await conversation.stop();
  }
}

/** Asks the device where the protocol can be asked, else takes what it told last. */
async function readBack(conversation: Conversation, point: PointId, signal: AbortSignal): Promise<Value> {
  const asked = await conversation.driver.read(conversation.spec.id, point, { signal });
  return asked ?? conversation.sampleOf(point)?.v ?? null;
}

function isSame(wanted: Value, found: Value, spec: PointSpec, tolerance: number): boolean {
  if (typeof wanted === 'boolean' || typeof wanted === 'string' || found === null) return wanted === found;
  const scale = 'scale' in spec && spec.scale !== undefined ? Math.abs(spec.scale) / 2 : 0;
  const allowed = Math.max(tolerance, scale, Math.abs(Number(wanted)) * 1e-6);
  return Math.abs(Number(wanted) - Number(found)) <= allowed;
}

async function specOf(
  target: { readonly site: string; readonly device: string },
  options: DeviceOptions,
  environment: Environment,
): Promise<DeviceSpec> {
  const specs = await readSite(target.site, options.types ?? [], environment);
  const spec = specs.find((candidate) => candidate.id === target.device);
  if (spec !== undefined) return spec;
  throw new InvalidInputError('UNKNOWN_DEVICE', `${target.site} has no device "${target.device}"`, {
    hint: `it has ${specs.map(({ id }) => id).join(', ') || 'none'}`,
  });
}

function pointsOf(spec: DeviceSpec): PointId[] {
  return Object.keys(spec.points) as PointId[];
}

function pointOf(spec: DeviceSpec, name: string): PointId {
  const found = pointsOf(spec).find((id) => id === name);
  if (found !== undefined) return found;
  if (Object.hasOwn(spec.computed ?? {}, name)) {
    throw new InvalidInputError(
      'POINT_COMPUTED',
      `"${name}" is worked out by the gateway, not read from "${spec.id}"`,
      {
        hint: 'read the points it is computed from, or ask the gateway',
      },
    );
  }
  throw new InvalidInputError('UNKNOWN_POINT', `device "${spec.id}" has no point "${name}"`, {
    hint: `it has ${pointsOf(spec).join(', ')}`,
  });
}

function specOfPoint(spec: DeviceSpec, point: PointId): PointSpec {
  const found = spec.points[point];
  if (found === undefined)
    throw new InvalidInputError('UNKNOWN_POINT', `device "${spec.id}" has no "${point}"`);
  return found;
}

function timeoutOf(options: DeviceOptions): number {
  const parsed = DurationMs.safeParse(options.timeout ?? '10s');
  if (parsed.success) return parsed.data;
  throw new InvalidInputError(
    'USAGE',
    `--timeout: ${parsed.error.issues.map((issue) => issue.message).join()}`,
  );
}

/** The drivers' own notices: what a person at a terminal wants to see is the outcome. */
function quiet(): Logger {
  return pino({ level: 'silent' });
}

function conversationDeps(environment: Environment, localBroker: MqttLink | undefined): ConversationDeps {
  return {
    clock: systemClock,
    logger: quiet(),
    environment,
    ...(localBroker === undefined ? {} : { localBroker }),
  };
}

async function conversationWith(
  spec: DeviceSpec,
  options: DeviceOptions,
  environment: Environment,
): Promise<Conversation> {
  const localBroker = await localBrokerFor(spec, options, environment);
  const stateDir = driverFilesIn(options.state);
  return Conversation.with(spec, { ...conversationDeps(environment, localBroker), ...stateDir });
}

/** From outside the gateway its broker is a broker like any other. */
async function localBrokerFor(
  spec: DeviceSpec,
  options: DeviceOptions,
  environment: Environment,
): Promise<MqttLink | undefined> {
  if ((spec.driver !== 'mqtt' && spec.driver !== 'sparkplug') || spec.connect.broker !== 'local') {
    return undefined;
  }
  const { broker, username, passwordEnv } = options;
  if (broker === undefined) {
    throw new InvalidInputError('USAGE', `device "${spec.id}" is on the broker of its gateway`, {
      hint: 'say where that listens: --broker mqtt://127.0.0.1:1883',
    });
  }
  const password = passwordEnv === undefined ? undefined : environment[passwordEnv];
  const { MqttClientLink } = await import('../mqtt/client-link.ts');
  return new MqttClientLink(
    { clock: systemClock, logger: quiet() },
    {
      url: broker,
      clientId: `millwright-cli-${process.pid}`,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    },
  );
}

function withUnit(value: Value, spec: PointSpec): string {
  const label = value === null ? undefined : presented(value, presentationOf(spec)).label;
  const text =
    value === null ? 'nothing' : `${String(toJsonValue(value))}${label === undefined ? '' : ` (${label})`}`;
  return spec.unit === undefined || value === null ? text : `${text} ${spec.unit}`;
}

function asTable(conversation: Conversation, points: readonly PointId[]): string {
  const rows = points.map((point) => {
    const sample = conversation.sampleOf(point);
    const spec = specOfPoint(conversation.spec, point);
    const { value, label } = presented(sample?.v ?? null, presentationOf(spec));
    const text = label ?? shown(value);
    return [
      point,
      text,
      presentationOf(spec).display?.unit ?? spec.unit ?? '',
      quality(sample),
      spec.label ?? '',
    ];
  });
  return table(['POINT', 'VALUE', 'UNIT', 'QUALITY', 'LABEL'], rows);
}

function shown(value: Value): string {
  if (value === null) return '–';
  if (typeof value !== 'number') return String(toJsonValue(value));
  // What fits a float32 came from one: the digits beyond its seven are not the device's.
  const digits = Number.isInteger(value) || Math.fround(value) !== value ? 17 : 7;
  return String(Number(value.toPrecision(digits)));
}

function quality(sample: Sample | undefined): string {
  if (sample === undefined) return 'no value yet';
  return sample.why === undefined ? sample.q : `${sample.q} (${sample.why})`;
}

function asJson(conversation: Conversation, points: readonly PointId[]): string {
  const entries = points.map((point) => {
    const spec = specOfPoint(conversation.spec, point);
    const { v, q, why, tSource } = conversation.sampleOf(point) ?? { v: null, q: 'bad', why: 'not-yet-read' };
    const { value, label } = presented(v, presentationOf(spec));
    const display = presentationOf(spec).display?.unit;
    const more = display === undefined ? {} : { shown: toJsonValue(value), display };
    return [point, { v: toJsonValue(v), unit: spec.unit, label, ...more, q, why, tSource }];
  });
  return JSON.stringify(Object.fromEntries(entries), null, 2);
}
