import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Gateway, type GatewayDeps, readGatewayConfig, readSite } from '@millwright/gateway';
import { systemClock } from '@millwright/protocol/node/system-clock';
import { MemoryLogger } from '@millwright/protocol/testing';

export interface RunningGateway {
  readonly gateway: Gateway;
  readonly folder: string;
  /** `host:port` of its own broker. */
  readonly mqtt: string;
  readonly logger: MemoryLogger;
  /** Writes the site file anew and has it read. */
  reload(site: string): Promise<void>;
  /** Stops it and keeps its state, to be started again from `folder`. */
  halt(): Promise<void>;
  stop(): Promise<void>;
}

export interface GatewayWish {
  readonly name: string;
  readonly site: string;
  /** Further lines of `gateway.yaml`. */
  readonly more?: string;
  readonly modules?: GatewayDeps['modules'];
  /** Of a gateway that was halted. */
  readonly folder?: string;
}

/** A whole gateway in this process, with free ports and a broker that is open to this machine. */
export async function startGateway(wish: GatewayWish): Promise<RunningGateway> {
  const folder = wish.folder ?? mkdtempSync(join(tmpdir(), 'millwright-conformance-'));
  const file = join(folder, 'gateway.yaml');
  const site = join(folder, 'site.yaml');
  writeFileSync(
    file,
    `name: ${wish.name}\nsite: here\nhttp: { port: 0 }\nbroker: { port: 0 }\ndevices: site.yaml\n${wish.more ?? ''}`,
  );
  writeFileSync(site, wish.site);
  const config = await readGatewayConfig(file, {});
  const logger = new MemoryLogger();
  const gateway = new Gateway(
    { clock: systemClock, logger, ...(wish.modules === undefined ? {} : { modules: wish.modules }) },
    {
      config,
      site: await readSite(config, {}),
      stateDir: join(folder, 'state'),
      dev: true,
      version: '1.0.0',
      variables: {},
      pid: process.pid,
    },
  );
  await gateway.start();
  return {
    gateway,
    folder,
    mqtt: gateway.addresses?.mqtt ?? '',
    logger,
    reload: async (text) => {
      writeFileSync(site, text);
      await gateway.reload();
    },
    halt: () => gateway.stop(),
    stop: async () => {
      await gateway.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
