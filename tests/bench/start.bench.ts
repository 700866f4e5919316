import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePortBase } from '../support/world.ts';
import type { BenchResult } from './result.ts';

export const name = 'start';

const root = join(import.meta.dirname, '..', '..');
const MOST_S = 600;

/** Clones what is committed, then types `npm start` twice, as a newcomer would: with the machine's own Node and npm. */
export async function run(): Promise<BenchResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'millwright-start-'));
  try {
    const clone = join(folder, 'millwright');
    execFileSync('git', ['clone', '--quiet', root, clone]);
    const portBase = await freePortBase();
    const fresh = await npmStart(clone, join(folder, 'state'), portBase);
    const warm = await npmStart(clone, join(folder, 'state'), portBase);
    return [
      {
        key: 'start.fresh.s',
        value: fresh,
        unit: 's',
        note: 'git clone excluded; npm ci with a warm npm cache, console built, all values live',
      },
      {
        key: 'start.warm.s',
        value: warm,
        unit: 's',
        note: 'second start on the same state, all values live',
      },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns seconds from the command to the ready file */
async function npmStart(clone: string, state: string, portBase: number): Promise<number> {
  const readyFile = join(state, 'ready.json');
  rmSync(readyFile, { force: true });
  const startedMs = performance.now();
  // Not this process's Node: a newcomer has whatever the machine has.
  const path = (process.env.PATH ?? '').split(':').filter((part) => !part.includes('node_modules'));
  const child = spawn(
    'npm',
    ['start', '--', '--state', state, '--ready-file', readyFile, '--port-base', String(portBase)],
    {
      cwd: clone,
      env: { ...process.env, PATH: path.join(':') },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    },
  );
  let printed = '';
  child.stdout.on('data', (chunk) => (printed = (printed + chunk).slice(-4000)));
  child.stderr.on('data', (chunk) => (printed = (printed + chunk).slice(-4000)));
  try {
    while (!existsSync(readyFile)) {
      if (child.exitCode !== null)
        throw new Error(`npm start ended with exit code ${child.exitCode}:\n${printed}`);
      if (performance.now() - startedMs > MOST_S * 1000)
        throw new Error(`npm start was not ready after ${MOST_S} s:\n${printed}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    JSON.parse(readFileSync(readyFile, 'utf8'));
    return (performance.now() - startedMs) / 1000;
  } finally {
    const gone = new Promise<void>((resolve) =>
      child.exitCode === null ? child.once('close', () => resolve()) : resolve(),
    );
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
    await gone;
  }
}
