import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';

/** How clients reach a server. */
export type Endpoint =
  | { readonly kind: 'socket'; readonly directory: string }
  | { readonly kind: 'tcp'; readonly port: number };

/** The address of a socket has room for 103 bytes on macOS, of which the name needs 15. */
const MAX_SOCKET_DIRECTORY_BYTES = 88;
/** Part of the socket's name; nothing listens there. */
export const SOCKET_PORT = 5432;

/**
 * A socket in `directory` where the system has such and its path is short enough, else a free port of the loopback:
 * the one of last time where that is still free, because clients were told the URL.
 */
export async function chooseEndpoint(directory: string, forceTcp: boolean): Promise<Endpoint> {
  const fits = Buffer.byteLength(directory) <= MAX_SOCKET_DIRECTORY_BYTES;
  if (process.platform !== 'win32' && fits && !forceTcp) return { kind: 'socket', directory };
  const file = join(directory, 'port');
  const last = Number(await readFile(file, 'utf8').catch(() => '0'));
  const port = await freePort(last).catch(() => freePort(0));
  await writeFile(file, String(port));
  return { kind: 'tcp', port };
}

/** @param wanted 0 = any */
function freePort(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen({ port: wanted, host: '127.0.0.1', exclusive: true }, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** @returns a connection URI as libpq and node-postgres read it */
export function connectionUrl(
  endpoint: Endpoint,
  account: { readonly user: string; readonly password: string },
  database: string,
): string {
  const login = `${encodeURIComponent(account.user)}:${encodeURIComponent(account.password)}`;
  const name = encodeURIComponent(database);
  return endpoint.kind === 'tcp'
    ? `postgresql://${login}@127.0.0.1:${endpoint.port}/${name}`
    : `postgresql://${login}@/${name}?host=${encodeURIComponent(endpoint.directory)}&port=${SOCKET_PORT}`;
}

/** Small, and never less than durable. */
const SETTINGS: Readonly<Record<string, string>> = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  max_connections: '30',
  superuser_reserved_connections: '2',
  shared_buffers: '32MB',
  wal_buffers: '4MB',
  work_mem: '4MB',
  maintenance_work_mem: '32MB',
  effective_cache_size: '256MB',
  max_wal_size: '512MB',
  huge_pages: 'off',
  jit: 'off',
  max_worker_processes: '4',
  max_parallel_workers_per_gather: '0',
  autovacuum_max_workers: '2',
  password_encryption: 'scram-sha-256',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '',
  log_checkpoints: 'off',
  unix_socket_permissions: '0700',
};

/** Survives a killed process, not a power cut. */
const SCRATCH: Readonly<Record<string, string>> = { fsync: 'off', full_page_writes: 'off' };

/** Command-line arguments of `postgres`. */
export function serverArguments(
  data: string,
  endpoint: Endpoint,
  options: { readonly majorVersion: number; readonly scratch: boolean },
): string[] {
  const { majorVersion, scratch } = options;
  const settings = {
    ...SETTINGS,
    ...(scratch ? SCRATCH : {}),
    // The I/O workers of PostgreSQL 18 pay off only beyond what fits a small machine.
    ...(majorVersion >= 18 ? { io_method: 'sync' } : {}),
    // One call instead of an fsync per file: up again in a fraction of a second after a crash.
    ...(process.platform === 'linux' ? { recovery_init_sync_method: 'syncfs' } : {}),
    ...(endpoint.kind === 'tcp'
      ? { listen_addresses: '127.0.0.1', port: String(endpoint.port), unix_socket_directories: '' }
      : {
          listen_addresses: '',
          port: String(SOCKET_PORT),
          unix_socket_directories: `"${endpoint.directory.replaceAll('"', '""')}"`,
        }),
  };
  return ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

/** Command-line arguments of `initdb`. */
export function initArguments(
  data: string,
  account: { readonly user: string; readonly passwordFile: string },
  options: { readonly majorVersion: number; readonly scratch: boolean },
): string[] {
  const { majorVersion, scratch } = options;
  return [
    `--pgdata=${data}`,
    `--username=${account.user}`,
    `--pwfile=${account.passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--no-locale',
    ...(majorVersion >= 17 ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8'] : []),
    ...(scratch ? ['--no-sync'] : []),
    ...(majorVersion >= 17 && process.platform === 'linux' ? ['--sync-method=syncfs'] : []),
  ];
}

export function dataDirectory(directory: string): string {
  return join(directory, 'data');
}
