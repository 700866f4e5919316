import type { Clock, Lifecycle, Logger } from '@millwright/protocol';
import type { GatewayConfig } from '../config.ts';
import type { Lanes } from '../lanes.ts';
import { stateFiles } from '../state-files.ts';
import { OpcuaServerHost } from './server-host.ts';

export interface OpenServerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lanes: Pick<Lanes, 'opcuaNews' | 'points' | 'catalog' | 'devices'>;
}

export interface OpenServerOptions {
  readonly config: Pick<GatewayConfig, 'name' | 'opcuaServer'>;
  readonly stateDir: string;
  readonly dev: boolean;
  readonly version: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/** The OPC UA server, where the configuration asks for one. @returns what has to be started */
export function openOpcuaServer(
  { clock, logger, lanes }: OpenServerDeps,
  { config, stateDir, dev, version, variables }: OpenServerOptions,
): readonly Lifecycle[] {
  const { opcuaNews: news, points, catalog, devices } = lanes;
  if (config.opcuaServer === undefined || news === undefined) return [];
  const log = logger.child({ name: 'gateway:opcua-server' });
  const secret = (name: string) => variables[name];
  const host = new OpcuaServerHost(
    { clock, logger: log, news, points, catalog, devices, secret },
    {
      ...config.opcuaServer,
      name: config.name,
      version,
      pkiDir: stateFiles(stateDir).opcuaServer,
      isOpen: dev,
    },
  );
  return [host];
}
