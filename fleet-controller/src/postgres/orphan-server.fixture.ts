import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { EmbeddedPostgres } from './embedded-postgres.ts';

/** A controller for a test to kill: starts a server in the folder given and tells where it is. */
const [state = '', bin] = process.argv.slice(2);
const server = new EmbeddedPostgres(
  { state, database: 'region', scratch: true, ...(bin === undefined ? {} : { binaries: { bin } }) },
  { clock: systemClock, logger: new MemoryLogger() },
);
await server.start();
process.send?.({ url: server.url, pid: server.pid });
setInterval(() => undefined, 1000);
