import type { Logger } from '@millwright/protocol';
import { ReadyFile, untilTold } from '@millwright/protocol/node/process';
import { systemClock } from '@millwright/protocol/node/system-clock';
import pino from 'pino';
import manifest from '../package.json' with { type: 'json' };
import { readSiteRules } from './automations/read-site-rules.ts';
import { readGatewayConfig } from './config.ts';
import { blameDriver } from './devices/driver-guard.ts';
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
  const config = await readGatewayConfig(options.config, variables);
  const site = await readSite(config, variables);
  const rules = await readSiteRules(config, site, variables);
  const root: Logger = pino({ base: { pid: process.pid }, level: variables.LOG_LEVEL ?? 'info' });
  const logger = root.child({ name: 'gateway' });
  const { version } = manifest;
  const gateway = new Gateway(
    { clock: systemClock, logger: root },
    {
      config,
      site,
      rules,
      stateDir: options.state,
      dev: options.dev ?? false,
      version,
      variables,
      pid: process.pid,
    },
  );
  const file = options.readyFile === undefined ? undefined : new ReadyFile({ logger }, options.readyFile);
  await file?.remove();
  const reload = () => void gateway.reload();
  process.on('SIGHUP', reload);
  process.on('uncaughtException', endUnlessADriver);
  process.on('unhandledRejection', endUnlessADriver);
  await untilTold(
    async (told) => {
      let cancel: (() => void) | undefined;
      try {
        await Promise.race([gateway.start({ signal: told.signal }), told.promise]);
        if (told.signal.aborted) return;
        await file?.write({ ...gateway.addresses, pid: process.pid });
        logger.info({ ...gateway.addresses, devices: site.length, state: options.state }, 'the gateway runs');
        cancel = systemClock.after(SETTLED_AFTER_MS, collectStartUpGarbage);
        await told.promise;
      } finally {
        cancel?.();
        logger.info('stopping');
        await gateway.stop();
        await file?.remove();
      }
    },
    { except: ['SIGHUP'] },
  ).finally(() => {
    process.off('SIGHUP', reload);
    process.off('uncaughtException', endUnlessADriver);
    process.off('unhandledRejection', endUnlessADriver);
  });
}

/** An error nobody caught ends the process, as it does without a handler; a driver's ends only that driver. */
function endUnlessADriver(error: unknown): void {
  if (!blameDriver(error)) throw error;
}
