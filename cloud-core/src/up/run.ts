import { systemClock } from '@millwright/protocol/node';
import pino from 'pino';
import { Up, type UpOptions } from './up.ts';

/** Runs a world until Ctrl-C, SIGTERM or the end of the process that started it. */
export async function runUp(options: UpOptions): Promise<void> {
  const logger = pino({ name: 'up', level: 'warn' }, pino.destination(2));
  const up = new Up(options, { clock: systemClock, logger });
  const ending = new AbortController();
  const end = () => ending.abort(new Error('asked to stop'));
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  process.once('SIGHUP', end);
  process.once('disconnect', end);

  console.log(`State: ${options.state}`);
  try {
    const ready = await up.start({ signal: ending.signal });
    console.log(
      [
        '',
        `Vault    ${ready.vault}`,
        `Cloud    ${ready.cloud}`,
        ...Object.entries(ready.api).map(([region, url]) => `Region   ${region}: ${url}`),
        '',
        'Ctrl-C ends everything; the next start goes on from the same state.',
        `Console  ${ready.signIn}`,
        '',
      ].join('\n'),
    );
    await up.watch({ signal: ending.signal });
    console.log('Stopping …');
  } catch (error) {
    if (!ending.signal.aborted) throw error;
    console.log('Stopping …');
  } finally {
    await up.stop();
  }
}
