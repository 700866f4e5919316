import { rename, rm, writeFile } from 'node:fs/promises';
import type { Logger } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node/system-clock';
import pino from 'pino';
import manifest from '../package.json' with { type: 'json' };
import { readGatewayConfig } from './config.ts';
import { Gateway } from './gateway.ts';
import { collectStartUpGarbage } from './service/start-up-garbage.ts';
import { readSite } from './site.ts';

/** By then the uplink is loaded and has tried to connect. */
const SETTLED_AFTER_MS = 5000;

export interface RunOptions {
  readonly config: string;
  readonly state: string;
  readonly dev?: boolean;
  readonly readyFile?: string;
}

/** Runs the gateway until SIGINT, SIGTERM or the end of the process that started it. */
export async function runGateway(
  options: RunOptions,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  if (options.readyFile !== undefined) await rm(options.readyFile, { force: true });
  const config = await readGatewayConfig(options.config, variables);
  const site = await readSite(config, variables);
  const root: Logger = pino({ base: { pid: process.pid }, level: variables.LOG_LEVEL ?? 'info' });
  const logger = root.child({ name: 'gateway' });
  const { version } = manifest;
  const gateway = new Gateway(
    { clock: systemClock, logger: root },
    {
      config,
      site,
      stateDir: options.state,
      dev: options.dev ?? false,
      version,
      variables,
      pid: process.pid,
    },
  );
  const ended = endOfProcess();
  process.on('SIGHUP', () => void gateway.reload());
  await Promise.race([gateway.start({ signal: ended.signal }), ended.promise]);
  if (!ended.signal.aborted) {
    if (options.readyFile !== undefined) await writeReady(options.readyFile, { ...gateway.addresses });
    logger.info({ ...gateway.addresses, devices: site.length, state: options.state }, 'the gateway runs');
    const cancel = systemClock.after(SETTLED_AFTER_MS, collectStartUpGarbage);
    await ended.promise;
    cancel();
  }
  logger.info('stopping');
  await gateway.stop();
  if (options.readyFile !== undefined) await rm(options.readyFile, { force: true });
}

function endOfProcess(): { readonly signal: AbortSignal; readonly promise: Promise<void> } {
  const end = new AbortController();
  const promise = new Promise<void>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM', 'disconnect']) {
      process.once(name, () => {
        end.abort();
        resolve();
      });
    }
  });
  return { signal: end.signal, promise };
}

async function writeReady(file: string, ready: Readonly<Record<string, string>>): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify({ ...ready, pid: process.pid }));
  await rename(`${file}.new`, file);
}
