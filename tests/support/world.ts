import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReadyFile } from '@millwright/cloud-core';

const root = join(import.meta.dirname, '..', '..');
const SPREAD = 100;

/** The small world, running as `npm start` runs it, in a folder and on ports of its own. */
export interface RunningWorld {
  readonly ready: ReadyFile;
  readonly state: string;
  /** Seconds from the command to the ready file. */
  readonly startedInS: number;
  /** The ready file as it is now: process ids change when processes are restarted. */
  current(): ReadyFile;
  api<T>(region: string, path: string, init?: RequestInit): Promise<T>;
  /** @param options.keepState leave the state folder for another start */
  stop(options?: { readonly keepState?: boolean }): Promise<void>;
}

export async function startWorld(
  options: { readonly state?: string; readonly portBase?: number } = {},
): Promise<RunningWorld> {
  const folder = options.state ?? mkdtempSync(join(tmpdir(), 'millwright-world-'));
  // The database server runs as a user of its own, who must be able to reach its folder.
  chmodSync(folder, 0o755);
  const readyFile = join(folder, 'ready-for-tests.json');
  rmSync(readyFile, { force: true });
  const portBase = options.portBase ?? (await freePortBase());
  const startedMs = performance.now();
  const child = spawn(
    process.execPath,
    [
      'millwright.ts',
      'up',
      'docs/examples/small-world',
      '--state',
      folder,
      '--ready-file',
      readyFile,
      '--port-base',
      String(portBase),
    ],
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let printed = '';
  child.stdout.on('data', (chunk) => (printed += chunk));
  child.stderr.on('data', (chunk) => (printed += chunk));
  while (!existsSync(readyFile)) {
    if (child.exitCode !== null)
      throw new Error(`the world ended with exit code ${child.exitCode}:\n${printed}\n${logs(folder)}`);
    if (performance.now() - startedMs > 150_000) {
      await end(child);
      throw new Error(`the world did not get ready:\n${printed}\n${logs(folder)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const startedInS = (performance.now() - startedMs) / 1000;
  const current = () => JSON.parse(readFileSync(readyFile, 'utf8')) as ReadyFile;
  const ready = current();
  return {
    ready,
    state: folder,
    startedInS,
    current,
    api: async <T>(region: string, path: string, init: RequestInit = {}) => {
      const response = await fetch(`${ready.api[region]}${path}`, {
        ...init,
        headers: { authorization: `Bearer ${ready.token}`, 'content-type': 'application/json' },
        signal: AbortSignal.timeout(20_000),
      });
      if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
      return (await response.json()) as T;
    },
    stop: async (how = {}) => {
      await end(child);
      if (how.keepState !== true) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A base whose ports are all free now; high enough to stay clear of ephemeral ones. */
export async function freePortBase(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const base = 20_000 + Math.floor(Math.random() * 100) * SPREAD;
    const checks = await Promise.all(Array.from({ length: 50 }, (_, offset) => isFree(base + offset)));
    if (checks.every(Boolean)) return base;
  }
  throw new Error('found no hundred free ports');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 40_000);
  await gone;
  clearTimeout(timer);
}

function logs(folder: string): string {
  const read = (name: string) => {
    const file = join(folder, 'logs', `${name}.log`);
    return existsSync(file) ? `--- ${name}\n${readFileSync(file, 'utf8').slice(-1500)}` : '';
  };
  return [
    'simulators',
    'cloud',
    'cloud-postgres',
    'region-north',
    'region-south',
    'gateway-press-hall',
    'gateway-air-house',
    'gateway-well-house',
  ]
    .map(read)
    .join('\n');
}
