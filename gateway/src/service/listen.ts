import { isIP, type Server } from 'node:net';
import { UnavailableError } from '@millwright/protocol';

export interface ListenConfig {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
}

/**
 * Opens a TCP or HTTP server.
 * @param what how messages call it, and the block of `gateway.yaml` that says where it listens
 * @returns `host:port` it listens on
 * @throws UnavailableError `PORT_IN_USE`, `LISTEN_FAILED`
 */
export function listen(
  server: Server,
  { host, port }: ListenConfig,
  what: { readonly name: string; readonly block: string },
): Promise<{ readonly address: string; readonly port: number }> {
  return new Promise((resolve, reject) => {
    const where = hostPort(host, port);
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const isTaken = cause.code === 'EADDRINUSE';
      const code = isTaken ? 'PORT_IN_USE' : 'LISTEN_FAILED';
      const message = isTaken
        ? `${what.name}: ${where} is in use by another program`
        : `${what.name} cannot listen on ${where}: ${cause.message}`;
      const hint = isTaken
        ? `stop that program, or set ${what.block}.port to another port`
        : `set ${what.block}.host to an address of this machine`;
      reject(new UnavailableError(code, message, { hint, cause }));
    });
    server.listen(port, host, () => {
      const bound = server.address();
      if (typeof bound === 'object' && bound !== null) resolve(bound);
      else reject(new UnavailableError('LISTEN_FAILED', `${what.name} cannot listen on ${where}`));
    });
  });
}

/** Whether only this machine itself can reach an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
