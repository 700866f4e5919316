import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '@millwright/protocol/node';
import { ReadyFile, untilTold } from '@millwright/protocol/node/process';
import pino from 'pino';
import { readRegionConfig } from './config.ts';
import { print } from './print.ts';
import { Region } from './region.ts';
import { RUNNING_FILE } from './running-region.ts';

export interface RunOptions {
  readonly config: string;
  readonly state: string;
  readonly readyFile?: string;
}

/** Runs a region until it is asked to stop. */
export async function runRegion(
  options: RunOptions,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const config = await readRegionConfig(options.config, variables);
  const logger = pino({ name: `region:${config.region}` }, pino.destination(2));
  await mkdir(options.state, { recursive: true });
  const region = new Region({ clock: systemClock, logger }, config, { state: options.state });
  const files = [join(options.state, RUNNING_FILE), ...(options.readyFile ? [options.readyFile] : [])].map(
    (path) => new ReadyFile({ logger }, path),
  );
  for (const file of files) await file.remove();
  await untilTold(async (told) => {
    try {
      await region.start({ signal: told.signal });
      region.onChanged(() => {
        for (const file of files) file.rewrite(region.ready);
      });
      for (const file of files) await file.write(region.ready);
      const { http, uplinkAddress, signInUrl } = region.ready;
      logger.info({ http, uplinkAddress }, 'the region is open');
      print(
        [
          `Region ${config.region}: ${http}`,
          `Gateways connect to: ${uplinkAddress}`,
          `Sign in, once, within 15 minutes: ${signInUrl}`,
        ].join('\n'),
      );
      await told.promise;
      logger.info('the region is being stopped');
    } finally {
      for (const file of files) await file.remove();
      await region.stop();
    }
  });
}
