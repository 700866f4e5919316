import { once } from 'node:events';
import { createServer } from 'node:net';
import { UnavailableError } from '@millwright/protocol';

/** A port that nobody listens on now. Used where a server library cannot be asked for any port. */
export async function freePort(host: string): Promise<number> {
  const server = createServer();
  server.listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address === 'object' && address !== null) return address.port;
  throw new UnavailableError('PORT_UNKNOWN', `the system gave no free port on ${host}`);
}

/** @returns the error that tells a person which port is taken, or the error as it was */
export function listenError(
  error: unknown,
  where: { readonly host: string; readonly port: number },
): unknown {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  const address = `${where.host}:${where.port}`;
  if (code === 'EADDRINUSE') {
    return new UnavailableError('PORT_IN_USE', `port ${where.port} on ${where.host} is in use`, {
      hint: 'stop what listens there, or choose another with --port (or "port:" in the file)',
      cause: error,
    });
  }
  if (code === 'EACCES') {
    return new UnavailableError('PORT_FORBIDDEN', `this user may not listen on ${address}`, {
      retry: 'never',
      hint: 'choose a port above 1023 with --port (or "port:" in the file)',
      cause: error,
    });
  }
  return error;
}
