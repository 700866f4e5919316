import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { DenoKvFile, JournalConfig, KvJournal } from '@millwright/gateway/testing/journal';
import type { JournalEntry } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node/system-clock';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const SITE = '- id: box\n  driver: host\n  connect: { every: 100ms }\n  points: { up: { metric: uptime } }\n';

interface Run {
  readonly process: ChildProcess;
  readonly exit: Promise<number | null>;
  output(): string;
}

describe('millwright gateway', () => {
  let folder: string;
  const runs = new Set<Run>();

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-process-'));
    write(
      'gateway.yaml',
      'name: box\nsite: here\nhttp: { port: 0 }\nbroker: { port: 0 }\ndevices: site.yaml\n',
    );
    write('site.yaml', SITE);
  });
  afterEach(async () => {
    for (const run of runs) {
      run.process.kill('SIGKILL');
      await run.exit;
    }
    runs.clear();
    rmSync(folder, { recursive: true, force: true });
  });

  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const readyFile = () => join(folder, 'ready.json');

  function millwright(...args: string[]): Run {
    const child = spawn(process.execPath, [join(ROOT, 'millwright.ts'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, FORCE_COLOR: '0' },
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
    }
    // A child that its parent let go of exits without a `close`.
    const gone = once(child, 'exit') as Promise<[number | null]>;
    const read = Promise.all([child.stdout, child.stderr].map((stream) => stream && finished(stream)));
    const exit = gone.then(async ([code]) => {
      await read;
      return code;
    });
    const run = { process: child, exit, output: () => text };
    runs.add(run);
    return run;
  }

  async function start(): Promise<Run & { readonly http: string }> {
    rmSync(readyFile(), { force: true });
    const state = join(folder, 'state');
    const config = join(folder, 'gateway.yaml');
    const run = millwright(
      'gateway',
      'run',
      '--config',
      config,
      '--state',
      state,
      '--ready-file',
      readyFile(),
    );
    await expect.poll(() => existsSync(readyFile()) || run.output(), { timeout: 30_000 }).toBe(true);
    const { http } = JSON.parse(readFileSync(readyFile(), 'utf8')) as { http: string };
    return { ...run, http };
  }

  async function point(http: string): Promise<{ v: unknown; q: string }> {
    const answer = await fetch(new URL('api/v1/devices/box', http));
    const { points } = (await answer.json()) as { points: { v: unknown; q: string }[] };
    return points[0] ?? { v: null, q: 'bad' };
  }

  async function journal(): Promise<JournalEntry[]> {
    const file = new DenoKvFile(join(folder, 'state', 'journal.kv'));
    const held = new KvJournal(
      { clock: systemClock, logger: new MemoryLogger(), file },
      JournalConfig.parse({}),
    );
    await held.start();
    const entries: JournalEntry[] = [];
    for (;;) {
      const last = entries.at(-1);
      const more = await held.entriesAfter(last ? { epoch: last.epoch, seq: last.seqEnd } : null, 64);
      if (more.length === 0) break;
      entries.push(...more);
    }
    await held.stop();
    return entries;
  }

  it('reads this machine, says where it listens, and ends cleanly when told to', async () => {
    const run = await start();
    await expect
      .poll(() => point(run.http), { timeout: 10_000 })
      .toMatchObject({ q: 'good', v: expect.any(Number) });
    run.process.kill('SIGTERM');
    expect(await run.exit).toBe(0);
    expect(existsSync(readyFile())).toBe(false);
    const kinds = (await journal()).map((entry) => (entry.kind === 'event' ? entry.event.type : entry.kind));
    expect(kinds).toContain('frame');
    expect(kinds).toContain('gateway.stopped');
  });

  it('ends when the process that started it is gone', async () => {
    const run = await start();
    run.process.disconnect();
    expect(await run.exit).toBe(0);
  });

  it('tells what is wrong in its files, one line each, and exits with 2', async () => {
    write(
      'site.yaml',
      '- id: box\n  driver: host\n  points: { up: { metrik: uptime } }\n- id: box\n  driver: hosst\n',
    );
    for (const args of [['check'], ['run', '--state', join(folder, 'state')]]) {
      const run = millwright('gateway', ...args, '--config', join(folder, 'gateway.yaml'));
      expect(await run.exit).toBe(2);
      expect(run.output()).toContain('site.yaml:3:');
      expect(run.output()).toContain('did you mean "metric"?');
      expect(run.output()).toContain('site.yaml:5:');
      expect(run.output()).not.toContain('    at ');
    }
  });

  it('reads its device files again on SIGHUP and survives a wrong one', async () => {
    const run = await start();
    write('site.yaml', SITE.replace('up:', 'alive:'));
    run.process.kill('SIGHUP');
    await expect.poll(() => run.output(), { timeout: 10_000 }).toContain('devices were reloaded');
    write('site.yaml', 'nonsense');
    run.process.kill('SIGHUP');
    await expect.poll(() => run.output(), { timeout: 10_000 }).toContain('the new configuration is refused');
    await expect.poll(() => point(run.http), { timeout: 10_000 }).toMatchObject({ q: 'good' });
  });

  it('refuses a state folder that another gateway uses, and names it', async () => {
    const first = await start();
    const args = ['--config', join(folder, 'gateway.yaml'), '--state', join(folder, 'state')];
    const second = millwright('gateway', 'run', ...args);
    expect(await second.exit).toBe(1);
    expect(second.output()).toContain(`in use by another gateway (pid ${first.process.pid})`);
    expect(await point(first.http)).toBeDefined();
  });

  it('is up again after every kill, with all it had stored and every absence declared', async () => {
    const kills = 8;
    for (let times = 0; times < kills; times++) {
      const run = await start();
      await expect.poll(() => run.output(), { timeout: 10_000 }).toContain('first sample stored');
      run.process.kill('SIGKILL');
      await run.exit;
    }
    const entries = await journal();
    expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: entries.length }, (_, at) => at));
    expect(entries.filter(({ kind }) => kind === 'frame').length).toBeGreaterThanOrEqual(kills);
    const gaps = entries.flatMap((entry) => (entry.kind === 'gap' ? [entry.gap.reason] : []));
    expect(gaps).toEqual(Array.from({ length: kills }, () => 'gateway-down'));
  });
});
