import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DenoKvFile } from '@millwright/gateway/testing';
import { PointNo, SampleBatch } from '@millwright/protocol';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { GatewayEnd } from '../support/uplink-rig.ts';
import type { BenchResult } from './result.ts';
import type { RegionReady } from './uplink-region.ts';

export const name = 'uplink';

const BACKLOG_SAMPLES = 20_000_000;
const POINTS = 100;
/** Two frames of a minute each. */
const STEADY_FRAMES = 2;

export async function run(): Promise<BenchResult[]> {
  return [...(await drain('memory')), ...(await drain('postgres')), ...(await steady())];
}

/** How fast a backlog on disk reaches a region in another process, until the last sample is acknowledged and freed. */
async function drain(store: 'memory' | 'postgres'): Promise<BenchResult[]> {
  const dir = await mkdtemp(join(tmpdir(), 'bench-'));
  const region = await startRegion(store);
  try {
    const gateway = await GatewayEnd.start(
      {
        addresses: [`127.0.0.1:${region.port}`],
        token: region.tokens[0] ?? '',
        points: POINTS,
        journal: { durableWithinMs: 1000, frameAgeMs: 60_000 },
        connect: false,
      },
      { stateDir: dir, kv: new DenoKvFile(join(dir, 'journal.kv')) },
    );
    const machines = new Machines(POINTS, 1000);
    for (let done = 0; done < BACKLOG_SAMPLES; done += machines.batch.length) {
      machines.next(8000);
      gateway.journal.append(machines.batch);
      await gateway.journal.flush();
    }
    const { lastSeq, bytes } = gateway.journal.stats();
    const cpuBefore = process.cpuUsage();
    const startedMs = performance.now();
    await gateway.uplink.start();
    await until(() => (gateway.uplink.counters.acked?.seq ?? -1) >= lastSeq);
    const tookMs = performance.now() - startedMs;
    const { user, system } = process.cpuUsage(cpuBefore);
    await gateway.stop();
    const cpuPct = Math.round((user + system) / 10 / tookMs);
    const note = `${lastSeq + 1} frames, ${(bytes / 1e6).toFixed(1)} MB; gateway at ${cpuPct} % of a core`;
    const key = store === 'memory' ? 'uplink.drain.samplesPerS' : 'uplink.drain.postgres.samplesPerS';
    return [{ key, value: (BACKLOG_SAMPLES / tookMs) * 1000, unit: 'samples/s', target: '≥ 1e6', note }];
  } finally {
    await region.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Everything on the TCP connection, both ways, per sample: frames, acknowledgements, TLS, multiplexing, keep-alive. */
async function steady(): Promise<BenchResult[]> {
  const region = await startRegion('memory');
  try {
    const [fast, slow, fastLive, slowLive] = await Promise.all([
      bytesPerSample(region, { token: 0, points: 100, everyMs: 100, live: false }),
      bytesPerSample(region, { token: 1, points: 10, everyMs: 1000, live: false }),
      bytesPerSample(region, { token: 2, points: 100, everyMs: 100, live: true }),
      bytesPerSample(region, { token: 3, points: 10, everyMs: 1000, live: true }),
    ]);
    const unit = 'bytes';
    return [
      { key: 'uplink.bytesPerSample', value: fast, unit, note: '1,000 samples/s from 100 points' },
      { key: 'uplink.bytesPerSample.at10', value: slow, unit, note: '10 samples/s from 10 points' },
      { key: 'uplink.bytesPerSample.withLive', value: fastLive, unit, note: 'every change live as well' },
      {
        key: 'uplink.bytesPerSample.at10.withLive',
        value: slowLive,
        unit,
        note: 'every change live as well',
      },
    ];
  } finally {
    await region.stop();
  }
}

async function bytesPerSample(
  region: RunningRegion,
  load: { token: number; points: number; everyMs: number; live: boolean },
): Promise<number> {
  const proxy = new TcpProxy({ port: region.port });
  await proxy.start();
  const gateway = await GatewayEnd.start({
    addresses: [`127.0.0.1:${proxy.port}`],
    token: region.tokens[load.token] ?? '',
    name: `hall-${load.token}`,
    points: load.points,
    journal: { durableWithinMs: 1000, frameAgeMs: 60_000 },
  });
  await until(() => gateway.uplink.state.state === 'connected');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const before = proxy.bytes;
  const machines = new Machines(load.points, load.everyMs);
  let samples = 0;
  const ticking = setInterval(() => {
    machines.next(load.points);
    gateway.journal.append(machines.batch);
    samples += machines.batch.length;
    if (!load.live) return;
    for (let row = 0; row < machines.batch.length; row++) {
      gateway.live.set(PointNo.parse(row), machines.batch.value[row] ?? 0);
    }
  }, load.everyMs);
  // Sample and byte counts are taken together at the moment the last frame is acknowledged.
  await until(() => (gateway.uplink.counters.acked?.seq ?? -1) >= STEADY_FRAMES - 1);
  clearInterval(ticking);
  const after = proxy.bytes;
  await gateway.remove();
  await proxy.stop();
  return (after.up + after.down - before.up - before.down) / samples;
}

/** Machines whose values wander like a sensor's: two decimals, up to a unit at a time, so about a byte of news each. */
class Machines {
  readonly batch = new SampleBatch(8192);
  readonly #values: Float64Array;
  readonly #everyMs: number;
  #tMs = Date.now();
  #at = 0;
  #seed = 42;

  constructor(points: number, everyMs: number) {
    this.#values = Float64Array.from({ length: points }, (_, at) => 20 + at);
    this.#everyMs = everyMs;
  }

  next(rows: number): void {
    this.batch.clear();
    for (let row = 0; row < rows; row++) {
      const at = this.#at;
      const value = Math.round((this.#values[at] ?? 0) * 100 + this.#random() * 200 - 100) / 100;
      this.#values[at] = value;
      this.batch.pushNumber(PointNo.parse(at), this.#tMs, this.#tMs + 3, value);
      this.#at = (at + 1) % this.#values.length;
      if (this.#at === 0) this.#tMs += this.#everyMs;
    }
  }

  #random(): number {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#seed / 2 ** 32;
  }
}

interface RunningRegion extends RegionReady {
  stop(): Promise<void>;
}

async function startRegion(store: string): Promise<RunningRegion> {
  const child: ChildProcess = fork(join(import.meta.dirname, 'uplink-region.ts'), [store]);
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`the region ended with exit code ${code}`);
  });
  const [ready] = (await Promise.race([once(child, 'message'), failed])) as [RegionReady];
  failed.catch(() => undefined);
  return {
    ...ready,
    stop: async () => {
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
}
