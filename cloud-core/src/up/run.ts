import { join } from 'node:path';
import { systemClock } from '@millwright/protocol/node';
import { untilTold } from '@millwright/protocol/node/process';
import pino from 'pino';
import { Up, type UpOptions } from './up.ts';

/** Runs a world until Ctrl-C, SIGTERM or the end of the process that started it. */
export async function runUp(options: UpOptions): Promise<void> {
  const logger = pino({ name: 'up', level: 'warn' }, pino.destination(2));
  const up = new Up(options, { clock: systemClock, logger });
  console.log(`State: ${options.state}`);
  await untilTold(async (told) => {
    try {
      const ready = await up.start({ signal: told.signal });
      console.log(
        [
          '',
          `Vault    ${ready.vault}`,
          `Cloud    ${ready.cloud} (asks for the token in ${join(ready.state, 'secrets', 'cloud-token')})`,
          ...Object.entries(ready.api).map(([region, url]) => `Region   ${region}: ${url}`),
          '',
          'Ctrl-C ends everything; the next start goes on from the same state.',
          `Console  ${ready.signIn}`,
          '',
        ].join('\n'),
      );
      await up.watch({ signal: told.signal });
    } finally {
      if (told.signal.aborted) console.log('Stopping …');
      await up.stop();
    }
  });
}
