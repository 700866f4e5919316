import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { delay, UnavailableError } from '@millwright/protocol';
import type { DiscoverDeps, DiscoverTarget, FoundDevice } from '../driver.ts';
import type { DiscoveredPoint, DiscoveryOrder, FromDiscovery } from './discovery-messages.ts';
import type { OpcuaServer } from './messages.ts';

const OBJECTS_FOLDER = 'i=85';
/** Nodes looked at for one point that is wanted, and a bound of its own. */
const NODES_PER_POINT = 20;
const MAX_NODES = 500_000;
const WITHIN_MS = 10 * 60_000;
/** Time to close the session before the process is ended. */
const GOODBYE_MS = 3000;
const MAX_HEAP_MB = 384;

/**
 * Walks a server's address space in a process of its own, and describes what it holds as one device.
 * @throws UnavailableError `DEVICE_OFFLINE`, `DISCOVERY_FAILED`
 */
export async function* discoverServer(
  target: DiscoverTarget<'opcua'>,
  server: OpcuaServer,
  { clock }: Pick<DiscoverDeps, 'clock'>,
  { signal }: { readonly signal: AbortSignal },
): AsyncGenerator<FoundDevice> {
  const { connect, from = OBJECTS_FOLDER, maxPoints } = target;
  const maxNodes = Math.min(MAX_NODES, NODES_PER_POINT * maxPoints + 1000);
  const timeout = new AbortController();
  const cancel = clock.after(WITHIN_MS, () =>
    timeout.abort(
      new UnavailableError('DISCOVERY_FAILED', `not finished within ${WITHIN_MS / 60_000} minutes`),
    ),
  );
  try {
    const found = await run(
      { server, from, maxPoints, maxNodes },
      { signal: AbortSignal.any([signal, timeout.signal]), clock },
    );
    yield {
      id: slugOf(found.name),
      title: found.title,
      body: { connect: plain(connect), points: Object.fromEntries(found.points) },
      notes: found.notes,
    };
  } finally {
    cancel();
  }
}

interface Discovered {
  readonly name: string;
  readonly title: string;
  readonly notes: readonly string[];
  readonly points: readonly (readonly [string, DiscoveredPoint])[];
}

async function run(
  order: DiscoveryOrder,
  { signal, clock }: { readonly signal: AbortSignal; readonly clock: DiscoverDeps['clock'] },
): Promise<Discovered> {
  signal.throwIfAborted();
  const child = fork(fileURLToPath(new URL('./discovery-worker.ts', import.meta.url)), [], {
    execArgv: [`--max-old-space-size=${MAX_HEAP_MB}`],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  try {
    return await answerOf(child, order, signal);
  } finally {
    if (child.connected) child.disconnect();
    const patience = new AbortController();
    const late = delay(clock, GOODBYE_MS, { signal: patience.signal }).catch(() => undefined);
    await Promise.race([exited, late]);
    patience.abort();
    child.kill('SIGKILL');
    await exited;
  }
}

function answerOf(child: ChildProcess, order: DiscoveryOrder, signal: AbortSignal): Promise<Discovered> {
  return new Promise((resolve, reject) => {
    const points: (readonly [string, DiscoveredPoint])[] = [];
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    child.on('message', (message: FromDiscovery) => {
      switch (message.op) {
        case 'ready':
          child.send({ op: 'begin', order });
          return;
        case 'points':
          points.push(...message.points);
          return;
        case 'done':
          resolve({ ...message, points });
          return;
        case 'failed':
          reject(new UnavailableError('DEVICE_OFFLINE', `${order.server.url}: ${message.message}`));
      }
    });
    child.on('error', (cause) =>
      reject(new UnavailableError('DISCOVERY_FAILED', 'the discovery could not be started', { cause })),
    );
    child.once('exit', (code, how) =>
      reject(new UnavailableError('DISCOVERY_FAILED', `the discovery ended unasked (${how ?? code})`)),
    );
  });
}

function slugOf(name: string): string {
  const slug = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 60);
  return slug.replaceAll(/-+$/g, '') || 'opcua-server';
}

/** Only what a person would write. */
function plain(connect: DiscoverTarget<'opcua'>['connect']): Record<string, unknown> {
  const { url, security, mode, username, passwordEnv, userCertificate } = connect;
  return {
    url,
    ...(security === 'None' ? {} : { security, mode }),
    ...(username === undefined ? {} : { username, passwordEnv }),
    ...(userCertificate === undefined ? {} : { userCertificate }),
  };
}
