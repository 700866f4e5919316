import { join } from 'node:path';
import { InvalidInputError, type OpcuaConnect, PointId } from '@millwright/protocol';
import type { DevicePlan, DriverDeps, DriverDevice, DriverModule } from '../driver.ts';
import { OpcuaLine } from './line.ts';
import type { OpcuaServer, WatchedEvents } from './messages.ts';
import { PKI_PATH } from './trust-list.ts';
import { WorkerHost } from './worker-host.ts';

type ConnectionDeps = Pick<DriverDeps, 'secret' | 'logger' | 'stateDir'>;

/** The process has one worker: it is heavy, and one carries many servers. */
let shared: WorkerHost | undefined;

/** OPC UA subscriptions. One line = one session; the client library runs in a process of its own. */
export const opcuaDriver: DriverModule<'opcua'> = {
  driver: 'opcua',
  lineOf({ connect }) {
    const { url, security, mode, username, userCertificate } = connect;
    const user = username ?? userCertificate;
    return [url, security, mode, ...(user === undefined ? [] : [user])].join(' ');
  },
  create(devices, deps) {
    return new OpcuaLine(devices, {
      ...deps,
      server: serverOf(devices, deps),
      acquire: ({ clock, logger }) => {
        shared ??= new WorkerHost({ clock, logger });
        return shared;
      },
      release: (host) => {
        if (host === shared && host.isEmpty) shared = undefined;
      },
    });
  },
  plan: planOf,
  async *discover(target, deps, options) {
    const { discoverServer } = await import('./discover.ts');
    const { connect } = target;
    yield* discoverServer(target, connectionOf('discovery', connect, deps), deps, options);
  },
};

function serverOf(devices: readonly DriverDevice<'opcua'>[], deps: DriverDeps): OpcuaServer {
  const [first] = devices;
  if (first === undefined) throw new InvalidInputError('LINE_EMPTY', 'an OPC UA line needs a device');
  return {
    ...connectionOf(first.spec.id, first.spec.connect, deps),
    backfillMs: Math.max(...devices.map(({ spec }) => spec.connect.backfill)),
    events: devices.flatMap(({ spec }, device): WatchedEvents[] => {
      const { events } = spec.connect;
      return events === undefined ? [] : [{ device, ...events }];
    }),
  };
}

function connectionOf(device: string, connect: OpcuaConnect, deps: ConnectionDeps): OpcuaServer {
  const { url, security, mode, timeout } = connect;
  const user = userOf(device, connect, deps);
  return {
    ...{ url, security, mode, timeoutMs: timeout, backfillMs: 0, events: [] },
    ...(user === undefined ? {} : { user }),
    ...(deps.stateDir === undefined ? {} : { pkiDir: join(deps.stateDir, ...PKI_PATH) }),
  };
}

function userOf(device: string, connect: OpcuaConnect, deps: ConnectionDeps): OpcuaServer['user'] {
  const { username, passwordEnv, userCertificate } = connect;
  if (userCertificate !== undefined) {
    const folder = join(deps.stateDir ?? '.', 'opcua', 'user');
    return {
      certificateFile: join(folder, `${userCertificate}.pem`),
      keyFile: join(folder, `${userCertificate}.key`),
    };
  }
  if (username === undefined || passwordEnv === undefined) return undefined;
  const password = deps.secret?.(passwordEnv);
  if (password === undefined) {
    deps.logger.warn({ device, variable: passwordEnv }, 'the variable that holds the password is not set');
  }
  return { name: username, password: password ?? '' };
}

/** One subscription per publish interval, as the driver makes them. */
function planOf({ points, connect }: DriverDevice<'opcua'>['spec']): DevicePlan {
  const all = Object.entries(points).map(([id, point]) => ({ id: PointId.parse(id), point }));
  const actions = all.filter(({ point }) => point.call !== undefined);
  const intervals = Map.groupBy(
    all.filter(({ point }) => point.call === undefined),
    ({ point }) => point.subscribe.publish,
  );
  const subscriptions = [...intervals].map(([publishMs, group]) => ({
    request: `subscribe, told every ${publishMs} ms at most`,
    points: group.map(({ id }) => id),
    detail: `${group.length} monitored items, fewer per request where the server wants it`,
  }));
  const calls = actions.map(({ id, point }) => ({
    request: `call ${point.node} on ${point.call?.on}`,
    points: [id],
    detail: 'when it is written',
  }));
  const { events } = connect;
  const listens = events === undefined ? [] : [{ request: `listen to events of ${events.from}`, points: [] }];
  return { requests: [...subscriptions, ...listens, ...calls] };
}

/** Process id of the worker while there is one. */
export function opcuaWorkerPid(): number | undefined {
  return shared?.pid;
}
