import { mkdir } from 'node:fs/promises';
import { systemClock } from '@millwright/protocol/node';
import { ReadyFile, untilTold } from '@millwright/protocol/node/process';
import pino from 'pino';
import { print } from '../print.ts';
import { EmbeddedPostgres } from './embedded-postgres.ts';

export interface RunPostgresOptions {
  readonly state: string;
  readonly database: string;
  /** Listens on a Unix socket alone; not every client reads such a URL. */
  readonly socket: boolean;
  readonly readyFile?: string;
}

/** Serves the built-in PostgreSQL until it is asked to stop. */
export async function runPostgres(options: RunPostgresOptions): Promise<void> {
  const logger = pino({ name: 'postgres' }, pino.destination(2));
  await mkdir(options.state, { recursive: true });
  const server = new EmbeddedPostgres(
    { state: options.state, database: options.database, tcp: !options.socket },
    { clock: systemClock, logger },
  );
  const file = options.readyFile === undefined ? undefined : new ReadyFile({ logger }, options.readyFile);
  await file?.remove();
  await untilTold(async (told) => {
    try {
      await server.start({ signal: told.signal });
      const tell = () => ({ url: server.url, pid: server.pid });
      server.onRestarted(() => file?.rewrite(tell()));
      await file?.write(tell());
      logger.info({ serverPid: server.pid }, 'PostgreSQL serves');
      if (file === undefined) print(server.url);
      await told.promise;
    } finally {
      await file?.remove();
      await server.stop();
    }
  });
}
