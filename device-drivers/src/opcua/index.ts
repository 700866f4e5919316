import { join } from 'node:path';
import type { DriverModule } from '../driver.ts';
import { OpcuaLine } from './line.ts';
import { WorkerHost } from './worker-host.ts';

/** The process has one worker: it is heavy, and one carries many servers. */
let shared: WorkerHost | undefined;

/** OPC UA subscriptions. One line = one session; the client library runs in a process of its own. */
export const opcuaDriver: DriverModule<'opcua'> = {
  driver: 'opcua',
  lineOf({ connect }) {
    return `${connect.url} ${connect.security} ${connect.mode}`;
  },
  create(devices, deps) {
    const connect = devices[0]?.spec.connect;
    const { url = '', security = 'None', mode = 'none', timeout = 10_000 } = connect ?? {};
    const pki = deps.stateDir === undefined ? {} : { pkiDir: join(deps.stateDir, 'opcua', 'pki') };
    return new OpcuaLine(devices, {
      ...deps,
      server: { url, security, mode, timeoutMs: timeout, ...pki },
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

/** Process id of the worker while there is one. */
export function opcuaWorkerPid(): number | undefined {
  return shared?.pid;
}
