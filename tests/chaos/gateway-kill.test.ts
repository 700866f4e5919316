import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeFrame, type GatewayId, type JournalEntry, SampleBatch } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { uplinkWorld } from '../support/uplink-world.ts';

const MILLWRIGHT = join(import.meta.dirname, '..', '..', 'millwright.ts');
const IS_LONG = process.env.MILLWRIGHT_TEST_ALL === '1';
const KILLS = IS_LONG ? 120 : 8;
const RUNS_MS = IS_LONG ? 5000 : 0;
const PATIENCE = { timeout: 60_000, interval: 20 };
const SITE = '- id: box\n  driver: host\n  connect: { every: 100ms }\n  points: { up: { metric: uptime } }\n';

interface Status {
  readonly gateway: GatewayId;
  readonly uplink: { readonly state: string };
  readonly journal: { readonly pendingSamples: number; readonly lastSeq: number };
}

interface Killed {
  readonly atMs: number;
  /** A value that was on disk for sure. */
  readonly stored: number;
}

describe('a gateway that is killed again and again while its region listens', () => {
  const world = uplinkWorld();
  let folder: string;
  let child: ChildProcess | undefined;
  let log = '';

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-kill-'));
    const region = `region: { address: "127.0.0.1:${world.region.port}", tokenFile: token }`;
    const journal = 'journal: { durableWithin: 100ms, frameAge: 2s }';
    const rest = 'http: { port: 0 }\nbroker: { port: 0 }\ndevices: site.yaml\ndetectors: false';
    writeFileSync(join(folder, 'gateway.yaml'), `name: box\nsite: north\n${region}\n${journal}\n${rest}\n`);
    writeFileSync(join(folder, 'site.yaml'), SITE);
    writeFileSync(join(folder, 'token'), await world.issueToken());
  });
  afterEach(async () => {
    await end('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  const readyFile = () => join(folder, 'ready.json');

  /** @returns where its API is, and how long it took to get there */
  async function start(): Promise<{ readonly http: string; readonly tookMs: number }> {
    rmSync(readyFile(), { force: true });
    const fromMs = systemClock.monotonicMs();
    const args = ['--config', join(folder, 'gateway.yaml'), '--state', join(folder, 'state')];
    child = spawn(process.execPath, [MILLWRIGHT, 'gateway', 'run', ...args, '--ready-file', readyFile()], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    log = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        log = (log + text).slice(-10_000);
      });
    }
    await expect.poll(() => existsSync(readyFile()) || log, PATIENCE).toBe(true);
    const { http } = JSON.parse(readFileSync(readyFile(), 'utf8')) as { http: string };
    return { http, tookMs: systemClock.monotonicMs() - fromMs };
  }

  async function end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const gone = once(running, 'exit');
    running.kill(signal);
    await gone;
  }

  const get = async <T>(http: string, path: string) => (await (await fetch(new URL(path, http))).json()) as T;
  const status = (http: string) => get<Status>(http, 'api/v1/status');
  const value = async (http: string) =>
    (await get<{ points: { v: number | null }[] }>(http, 'api/v1/devices/box')).points[0]?.v ?? null;

  /** @returns a value that is on disk: nothing waited for it any more after it had been seen */
  async function storedValue(http: string): Promise<number> {
    let stored: number | null = null;
    await expect
      .poll(async () => {
        const seen = await value(http);
        const { pendingSamples } = (await status(http)).journal;
        if (pendingSamples === 0) stored = seen;
        return stored;
      }, PATIENCE)
      .toEqual(expect.any(Number));
    return stored ?? Number.NaN;
  }

  it(
    `is up again each time, and the region holds every stored sample once and every absence as a gap (${KILLS} kills)`,
    async () => {
      const killed: Killed[] = [];
      let slowestMs = 0;
      for (let times = 0; times < KILLS; times++) {
        const { http, tookMs } = await start();
        slowestMs = Math.max(slowestMs, tookMs);
        const stored = await storedValue(http);
        await new Promise((resolve) => setTimeout(resolve, RUNS_MS));
        await end('SIGKILL');
        killed.push({ atMs: Date.now(), stored });
      }
      const { http } = await start();
      await expect.poll(async () => (await status(http)).uplink.state, PATIENCE).toBe('connected');
      const { gateway, journal } = await status(http);
      await expect.poll(() => world.lastSeqOf(gateway), PATIENCE).toBeGreaterThanOrEqual(journal.lastSeq);
      await end('SIGTERM');
      console.info(`slowest of ${KILLS} starts after a kill: ${Math.round(slowestMs)} ms`);

      const entries = world.store.entriesOf(gateway);
      let next = 0;
      for (const { seq, seqEnd } of entries) {
        expect(seq).toBe(next);
        next = seqEnd + 1;
      }
      const rows = entries.flatMap(rowsOf);
      const times = rows.map(({ atMs }) => atMs);
      expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
      const values = new Set(rows.map((row) => row.value));
      expect(killed.filter(({ stored }) => !values.has(stored))).toEqual([]);
      const gaps = entries.flatMap((entry) => (entry.kind === 'gap' ? [entry.gap] : []));
      expect(gaps.map(({ reason }) => reason)).toEqual(killed.map(() => 'gateway-down'));
      for (const [at, { atMs }] of killed.entries()) {
        expect(gaps[at]?.fromMs).toBeLessThanOrEqual(atMs);
        expect(gaps[at]?.toMs).toBeGreaterThanOrEqual(atMs - 1000);
      }
    },
    IS_LONG ? 3_600_000 : 300_000,
  );
});

function rowsOf(entry: JournalEntry): { readonly atMs: number; readonly value: unknown }[] {
  if (entry.kind !== 'frame') return [];
  const frame = decodeFrame(entry.bytes);
  const batch = new SampleBatch(frame.header.sampleCount);
  frame.readAll(batch);
  return Array.from({ length: batch.length }, (_, row) => ({
    atMs: batch.tGatewayMs[row] ?? Number.NaN,
    value: batch.valueAt(row),
  })).filter(({ value }) => value !== null);
}
