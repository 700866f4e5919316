import { statfs } from 'node:fs/promises';
import { cpus, freemem, loadavg, totalmem, uptime } from 'node:os';
import type { Clock, HostPoint } from '@millwright/protocol';
import { MachineFiles, type NetworkCounters } from './machine-files.ts';

export type HostMetric = HostPoint['metric'];

/** `absent`: this machine has no such sensor. `unknown`: not yet, ask again. */
export type Reading = number | 'absent' | 'unknown';

/** Metrics that are read together. */
export interface Source {
  readonly metrics: readonly HostMetric[];
  /** Means over the time since the last look: not to be read in between. */
  readonly rates?: true;
  /** @returns one reading per metric; a rate is the mean since the last call and `unknown` at the first */
  read(): Promise<readonly Reading[]>;
}

export interface SourceDeps {
  readonly clock: Clock;
  readonly disk: string;
  readonly platform: NodeJS.Platform;
  readonly files?: MachineFiles;
}

/** How long is relied on which interfaces and sensors there are. */
const PROBE_AGAIN_MS = 60_000;
/** Elsewhere than on Linux each reading starts a process. */
const PROCESS_EVERY_MS = 10_000;

/** All sources of a machine; none does anything before it is read. */
export function sourcesOf(deps: SourceDeps): Source[] {
  return [memory, system, disk, processor, network, temperature].map((source) => source(deps));
}

function memory(): Source {
  return {
    metrics: ['memory.used', 'memory.available'],
    read: async () => {
      const available = freemem();
      return [totalmem() - available, available];
    },
  };
}

function system(): Source {
  return { metrics: ['uptime', 'load.1m'], read: async () => [uptime(), loadavg()[0] ?? 'absent'] };
}

function disk({ disk: path }: SourceDeps): Source {
  return {
    metrics: ['disk.used', 'disk.free'],
    read: async () => {
      const { bsize, blocks, bfree, bavail } = await statfs(path);
      return [(blocks - bfree) * bsize, bavail * bsize];
    },
  };
}

function processor(): Source {
  let before = processorTimes();
  return {
    metrics: ['cpu.load'],
    rates: true,
    read: async () => {
      const now = processorTimes();
      const total = now.total - before.total;
      const busy = now.busy - before.busy;
      if (total <= 0) return ['unknown'];
      before = now;
      return [(100 * busy) / total];
    },
  };
}

function processorTimes(): { readonly total: number; readonly busy: number } {
  let total = 0;
  let busy = 0;
  for (const { times } of cpus()) {
    const active = times.user + times.nice + times.sys + times.irq;
    total += active + times.idle;
    busy += active;
  }
  return { total, busy };
}

function network({ clock, platform, files = new MachineFiles() }: SourceDeps): Source {
  const interfaces = spaced(clock, () => files.interfaces(), PROBE_AGAIN_MS);
  const counters =
    platform === 'linux'
      ? async () => files.network(await interfaces())
      : spaced(clock, foreignCounters, PROCESS_EVERY_MS);
  let before: { readonly atMs: number; readonly counters: NetworkCounters } | undefined;
  let last: readonly Reading[] = ['unknown', 'unknown'];
  return {
    metrics: ['network.received', 'network.sent'],
    rates: true,
    read: async () => {
      const now = await counters();
      if (now === null) return ['absent', 'absent'];
      if (now === before?.counters) return last;
      const atMs = clock.monotonicMs();
      const spanS = before === undefined ? 0 : (atMs - before.atMs) / 1000;
      const rate = (to: number, from: number | undefined): Reading =>
        // Counters restart when an interface does.
        from === undefined || spanS <= 0 || to < from ? 'unknown' : (to - from) / spanS;
      last = [
        rate(now.receivedBytes, before?.counters.receivedBytes),
        rate(now.sentBytes, before?.counters.sentBytes),
      ];
      before = { atMs, counters: now };
      return last;
    },
  };
}

function temperature({ clock, platform, files = new MachineFiles() }: SourceDeps): Source {
  const find = spaced(clock, () => files.temperatureFile(), PROBE_AGAIN_MS);
  const foreign = spaced(clock, foreignTemperature, PROCESS_EVERY_MS);
  const read = async (): Promise<number | null> => {
    if (platform !== 'linux') return foreign();
    const file = await find();
    return file === null ? null : files.temperatureC(file);
  };
  return { metrics: ['cpu.temperature'], read: async () => [(await read()) ?? 'absent'] };
}

async function foreignCounters(): Promise<NetworkCounters | null> {
  const { networkStats } = await import('systeminformation');
  const [stats] = await networkStats();
  return stats === undefined ? null : { receivedBytes: stats.rx_bytes, sentBytes: stats.tx_bytes };
}

async function foreignTemperature(): Promise<number | null> {
  const { cpuTemperature } = await import('systeminformation');
  const { main } = await cpuTemperature();
  return Number.isFinite(main) ? main : null;
}

/** Asks at most once per `everyMs` and gives the same answer in between. */
function spaced<T>(clock: Clock, ask: () => Promise<T>, everyMs: number): () => Promise<T> {
  let asked: { readonly atMs: number; readonly answer: Promise<T> } | undefined;
  return () => {
    const nowMs = clock.monotonicMs();
    if (asked === undefined || nowMs - asked.atMs >= everyMs) asked = { atMs: nowMs, answer: ask() };
    return asked.answer;
  };
}
