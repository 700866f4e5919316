import { join } from 'node:path';
import { InvalidInputError } from '@millwright/protocol';
import type { DriverDeps, DriverDevice, DriverModule } from '../driver.ts';
import { OpcuaLine } from './line.ts';
import type { OpcuaServer, WatchedEvents } from './messages.ts';
import { PKI_PATH } from './trust-list.ts';
import { WorkerHost } from './worker-host.ts';

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
};

function serverOf(devices: readonly DriverDevice<'opcua'>[], deps: DriverDeps): OpcuaServer {
  const [first] = devices;
  if (first === undefined) throw new InvalidInputError('LINE_EMPTY', 'an OPC UA line needs a device');
  const { url, security, mode, timeout } = first.spec.connect;
  const user = userOf(first.spec, deps);
  return {
    ...{ url, security, mode, timeoutMs: timeout },
    ...(user === undefined ? {} : { user }),
    ...(deps.stateDir === undefined ? {} : { pkiDir: join(deps.stateDir, ...PKI_PATH) }),
    backfillMs: Math.max(...devices.map(({ spec }) => spec.connect.backfill)),
    events: devices.flatMap(({ spec }, device): WatchedEvents[] => {
      const { events } = spec.connect;
      return events === undefined ? [] : [{ device, ...events }];
    }),
  };
}

function userOf({ id, connect }: DriverDevice<'opcua'>['spec'], deps: DriverDeps): OpcuaServer['user'] {
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
    deps.logger.warn(
      { device: id, variable: passwordEnv },
      'the variable that holds the password is not set',
    );
  }
  return { name: username, password: password ?? '' };
}

/** Process id of the worker while there is one. */
export function opcuaWorkerPid(): number | undefined {
  return shared?.pid;
}
