import { basename, resolve } from 'node:path';
import {
  type Clock,
  InvalidInputError,
  type Lifecycle,
  type Logger,
  startAll,
  stopAll,
} from '@millwright/protocol';
import { stringify } from 'yaml';
import type { SimulatorConfig, SimulatorKind } from './config.ts';
import { type Machine, MachineRun } from './machine.ts';
import { AirHandler } from './machines/air-handler.ts';
import { EnergyMeter } from './machines/energy-meter.ts';
import { PumpSkid } from './machines/pump-skid.ts';
import { Room } from './machines/room.ts';
import type { DeviceTypeOf } from './shipped-types.ts';
import { shippedType } from './shipped-types.ts';

export interface SimulatorDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The value of an environment variable named by `passwordEnv`. */
  readonly secret: (name: string) => string | undefined;
  /** What relative paths of the configuration are relative to. */
  readonly folder: string;
}

/** A device as a site file would name it. */
export interface SimulatedDevice {
  readonly id: string;
  readonly type: string;
  readonly connect: Readonly<Record<string, string>>;
}

/** A running simulator; where it is reached is known after `start`. */
export interface Simulator extends Lifecycle {
  readonly id: string;
  readonly kind: SimulatorKind;
  /** Where it listens or publishes, such as `modbus tcp 127.0.0.1:5020`. */
  address(): string;
  /** The TCP port it listens on, where it does. */
  port(): number | undefined;
  devices(): readonly SimulatedDevice[];
  /** The type file of a device that is not shipped: a replay's. */
  typeFile?(): string;
}

type ConfigOf<K extends SimulatorKind> = Extract<SimulatorConfig, { kind: K }>;
type ModbusConfig =
  | ConfigOf<'pump-skid'>
  | ConfigOf<'energy-meter'>
  | ConfigOf<'type'>
  | (ConfigOf<'replay'> & { port: number });

/**
 * Builds a simulator and loads its protocol's library; nothing listens yet.
 * @throws InvalidInputError for a recording that cannot be replayed or a password variable that is not set
 */
export async function createSimulator(config: SimulatorConfig, deps: SimulatorDeps): Promise<Simulator> {
  const startMs = deps.clock.wallMs();
  const { seed } = config;
  switch (config.kind) {
    case 'pump-skid': {
      const machine = new PumpSkid({ seed, anomalyEveryMs: config.anomalyEvery });
      return modbusSimulator(machine, await shippedType('pump-skid@1', 'modbus'), config, deps);
    }
    case 'energy-meter': {
      const machine = new EnergyMeter({ seed, startMs });
      return modbusSimulator(machine, await shippedType('energy-meter@1', 'modbus'), config, deps);
    }
    case 'air-handler':
      return opcuaSimulator(new AirHandler({ seed, startMs }), config, deps);
    case 'mqtt-sensors':
      return sensorsSimulator(config, deps, startMs);
    case 'replay':
      return replaySimulator(config, deps);
    case 'type':
      return typeSimulator(config, deps);
  }
}

async function modbusSimulator(
  machine: Machine,
  type: DeviceTypeOf<'modbus'>,
  config: ModbusConfig,
  deps: SimulatorDeps,
): Promise<Simulator> {
  const { ModbusServer } = await import('./modbus/modbus-server.ts');
  const { RegisterImage } = await import('./modbus/register-image.ts');
  const { host, port, rtuOverTcp, unit, kind, speed } = config;
  const image = new RegisterImage(type, machine);
  const server = new ModbusServer(
    { image },
    { host, port, rtuOverTcp, ...(unit === undefined ? {} : { unit }) },
  );
  const run = new MachineRun(
    { clock: deps.clock, machines: [machine], onMoved: () => image.refresh() },
    { speed },
  );
  const id = config.id ?? kind;
  const at = () => `${reachable(host)}:${server.port}`;
  return {
    id,
    kind,
    ...together(server, run),
    address: () => `${rtuOverTcp ? 'modbus rtu over tcp' : 'modbus tcp'} ${at()}`,
    port: () => server.port,
    devices: () => [{ id, type: type.type, connect: rtuOverTcp ? { rtuOverTcp: at() } : { tcp: at() } }],
  };
}

async function typeSimulator(config: ConfigOf<'type'>, deps: SimulatorDeps): Promise<Simulator> {
  const { readModbusType } = await import('./typed/read-type.ts');
  const { TypedMachine } = await import('./typed/typed-machine.ts');
  const type = await readModbusType(resolve(deps.folder, config.file));
  const id = config.id ?? (type.type.split('@')[0] || 'type');
  return modbusSimulator(new TypedMachine(type, config), type, { ...config, id }, deps);
}

async function opcuaSimulator(
  machine: Machine,
  config: ConfigOf<'air-handler'>,
  deps: SimulatorDeps,
): Promise<Simulator> {
  const { OpcuaMachineServer } = await import('./opcua/opcua-server.ts');
  const type = await shippedType('air-handler@1', 'opcua');
  const { host, port, pki, kind, speed } = config;
  const pkiFolder = pki === undefined ? {} : { pkiFolder: resolve(deps.folder, pki) };
  const server = new OpcuaMachineServer({ machine, type }, { host, port, ...pkiFolder });
  const run = new MachineRun({ clock: deps.clock, machines: [machine] }, { speed });
  const id = config.id ?? kind;
  const url = () => `opc.tcp://${reachable(host)}:${server.port}`;
  return {
    id,
    kind,
    ...together(server, run),
    address: url,
    port: () => server.port,
    devices: () => [{ id, type: type.type, connect: { url: url() } }],
  };
}

async function sensorsSimulator(
  config: ConfigOf<'mqtt-sensors'>,
  deps: SimulatorDeps,
  startMs: number,
): Promise<Simulator> {
  const { MqttStation } = await import('./mqtt/mqtt-station.ts');
  const { kind, rooms, thermostats, base, broker, every, seed, speed } = config;
  const id = config.id ?? kind;
  const unknown = thermostats.find((room) => !rooms.includes(room));
  if (unknown !== undefined) {
    throw new InvalidInputError(
      'SIMULATOR_ROOM',
      `${id}: thermostat "${unknown}" is none of the rooms ${rooms}`,
    );
  }
  const credentials = loginOf(config, deps);
  const sensor = await shippedType('room-sensor@1', 'mqtt');
  const thermostat = await shippedType('room-thermostat@1', 'mqtt');
  const stations = rooms.map((room) => {
    const machine = new Room({ seed, name: room, startMs });
    const type = thermostats.includes(room) ? thermostat : sensor;
    const station = new MqttStation(
      { clock: deps.clock, logger: deps.logger, machine, type },
      { broker, clientId: `${id}-${room}`, base: `${base}/${room}`, everyMs: every, ...credentials },
    );
    return { room, machine, type, station };
  });
  const run = new MachineRun(
    {
      clock: deps.clock,
      machines: stations.map(({ machine }) => machine),
      onMoved: () => {
        for (const { station } of stations) station.moved();
      },
    },
    { speed },
  );
  return {
    id,
    kind,
    ...together(...stations.map(({ station }) => station), run),
    address: () => `${broker}, topics ${base}/{${rooms.join(',')}}`,
    port: () => undefined,
    devices: () =>
      stations.map(({ room, type }) => ({
        id: `${id}-${room}`,
        type: type.type,
        connect: { broker, base: `${base}/${room}`, availability: '~/availability' },
      })),
  };
}

async function replaySimulator(config: ConfigOf<'replay'>, deps: SimulatorDeps): Promise<Simulator> {
  const { readRecording } = await import('./replay/recording.ts');
  const { modbusReplayType, mqttReplayType, Replay } = await import('./replay/replay.ts');
  const file = resolve(deps.folder, config.file);
  const recording = await readRecording(file);
  const machine = new Replay(recording);
  const { kind, port, broker, base, as, speed } = config;
  const id = config.id ?? kind;
  const slug = basename(file)
    .replace(/\.\w+$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-');
  const name = `replay-${slug.replace(/^-|-$/g, '') || 'recording'}`;
  if (port !== undefined) {
    const type = modbusReplayType(recording, { name, as });
    const simulator = await modbusSimulator(machine, type, { ...config, port }, deps);
    return { ...simulator, typeFile: () => typeText(type) };
  }
  if (broker === undefined)
    throw new InvalidInputError('SIMULATOR_CONFIG', `${id}: needs "port" or "broker"`);
  const { MqttStation } = await import('./mqtt/mqtt-station.ts');
  const type = mqttReplayType(recording, { name });
  const station = new MqttStation(
    { clock: deps.clock, logger: deps.logger, machine, type },
    { broker, clientId: id, base, tellAtOnce: 'everything', ...loginOf(config, deps) },
  );
  const run = new MachineRun(
    { clock: deps.clock, machines: [machine], onMoved: () => station.moved() },
    { speed },
  );
  return {
    id,
    kind,
    ...together(station, run),
    address: () => `${broker}, topic ${base}/state`,
    port: () => undefined,
    devices: () => [{ id, type: type.type, connect: { broker, base, availability: '~/availability' } }],
    typeFile: () => typeText(type),
  };
}

function together(...parts: Lifecycle[]): Lifecycle {
  return { start: (options) => startAll(parts, options), stop: () => stopAll(parts) };
}

function loginOf(
  {
    username,
    passwordEnv,
  }: { readonly username?: string | undefined; readonly passwordEnv?: string | undefined },
  deps: SimulatorDeps,
): { username?: string; password?: string } {
  const password = passwordEnv === undefined ? undefined : deps.secret(passwordEnv);
  if (passwordEnv !== undefined && password === undefined) {
    throw new InvalidInputError('PASSWORD_MISSING', `the environment variable ${passwordEnv} is not set`, {
      hint: `set ${passwordEnv} to the broker password`,
    });
  }
  return { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) };
}

/** A server that listens everywhere is reached from here at the loopback address. */
function reachable(host: string): string {
  return host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
}

/** As it stands in a type file: what was left to its default is not written. */
function typeText(type: DeviceTypeOf<'modbus'> | DeviceTypeOf<'mqtt'>): string {
  const { driver, points } = type;
  const scans = driver === 'modbus' ? { scans: { fast: '1s' } } : {};
  return stringify({ type: type.type, driver, ...scans, points });
}
