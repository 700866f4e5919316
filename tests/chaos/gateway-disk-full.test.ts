import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Gateway, readGatewayConfig, readSite } from '@millwright/gateway';
import { systemClock } from '@millwright/protocol/node/system-clock';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canMountTmpfs, mountTmpfs } from './support/tmpfs.ts';

const canMount = canMountTmpfs();
if (!canMount)
  console.warn('gateway on a full disk: skipped, because mounting a small tmpfs takes root on Linux');

describe.runIf(canMount)('a gateway whose disk is full', () => {
  let folder: string;
  let state: string;
  let gateway: Gateway;
  let logger: MemoryLogger;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-full-'));
    state = mkdtempSync(join(tmpdir(), 'millwright-state-'));
    mountTmpfs(state, '16m');
    writeFileSync(
      join(folder, 'gateway.yaml'),
      'name: box\nsite: here\nhttp: { port: 0 }\nbroker: { port: 0 }\ndevices: site.yaml\n',
    );
    writeFileSync(
      join(folder, 'site.yaml'),
      '- id: box\n  driver: host\n  connect: { every: 100ms }\n  points: { up: { metric: uptime } }\n',
    );
    gateway = await start();
  });
  afterEach(async () => {
    await gateway.stop();
    execFileSync('umount', ['-l', state]);
    for (const path of [folder, state]) rmSync(path, { recursive: true, force: true });
  });

  async function start(): Promise<Gateway> {
    logger = new MemoryLogger();
    const config = await readGatewayConfig(join(folder, 'gateway.yaml'), {});
    const site = await readSite(config, {});
    const options = {
      config,
      site,
      stateDir: state,
      dev: false,
      version: 'test',
      variables: {},
      pid: process.pid,
    };
    const started = new Gateway({ clock: systemClock, logger }, options);
    await started.start();
    return started;
  }

  async function status(): Promise<{ readonly fault?: string; readonly pendingSamples: number }> {
    const answer = await fetch(new URL('api/v1/status', gateway.addresses?.http));
    const { journal } = (await answer.json()) as { journal: { fault?: string; pendingSamples: number } };
    return journal;
  }

  it('starts all the same, says so, goes on in memory, and recovers by itself', async () => {
    await gateway.stop();
    stuff();
    gateway = await start();
    expect(logger.lines.some(({ message }) => message.startsWith('the disk seems to be full'))).toBe(true);
    stuff();
    await expect.poll(async () => (await status()).fault, { timeout: 20_000 }).toContain('the disk is full');
    await expect.poll(async () => (await status()).pendingSamples, { timeout: 20_000 }).toBeGreaterThan(20);
    rmSync(join(state, 'stuff'));
    await expect.poll(async () => (await status()).fault, { timeout: 30_000 }).toBeUndefined();
    await expect.poll(async () => (await status()).pendingSamples, { timeout: 20_000 }).toBeLessThan(20);
  });

  /** Takes whatever room there is. */
  function stuff(): void {
    for (const size of [16 * 1024 * 1024, 64 * 1024, 4096]) {
      try {
        for (;;) writeFileSync(join(state, 'stuff'), Buffer.alloc(size), { flag: 'a' });
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      }
    }
  }
});
