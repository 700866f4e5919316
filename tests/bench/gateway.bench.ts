import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { cpus } from 'node:os';
import {
  GatewayProcess,
  idleFolder,
  type Journaled,
  machineLoad,
  modbusFolder,
  pause,
  startModbusServers,
} from './gateway-process.ts';
import type { BenchResult } from './result.ts';

export const name = 'gateway';

const DEVICES = 8;
const POINTS = 10_000;
const SERVERS = 2;
const WARM_UP_MS = 10_000;
const RUN_MS = 20_000;
const STEPS = [25_000, 50_000, 100_000, 200_000, 400_000, 800_000];
const POLL_EVERY_MS = 100;
/** Samples are on disk within this. */
const DURABLE_WITHIN_MS = 1000;
const STARTS = 7;

/** The gateway as users run it, one process of its own, reading from others over TCP. */
export async function run(): Promise<BenchResult[]> {
  const servers = await startModbusServers(SERVERS, DEVICES);
  try {
    const steady = await underLoad(servers.ports, { perS: POINTS, detectors: false });
    const watched = await underLoad(servers.ports, { perS: POINTS, detectors: true });
    const what = `${POINTS} uint16 points each second from ${DEVICES} connections, journal on disk, no region`;
    const others = `${percent(steady.machine)} of the machine in use`;
    return [
      {
        key: 'gateway.modbus10k.pssMb',
        value: steady.pssMb,
        unit: 'MB',
        peer: '199 MB RSS',
        note: `${what}, detectors off; ${watched.pssMb.toFixed(0)} MB with detectors`,
      },
      {
        key: 'gateway.modbus10k.cpuPct',
        value: steady.cpuPct,
        unit: '% of a core',
        peer: '12 % of a core',
        note: `${what}, detectors off; ${watched.cpuPct.toFixed(1)} % with detectors; ${others}`,
      },
      await highestRate(servers.ports),
      ...(await idle()),
    ];
  } finally {
    servers.stop();
  }
}

interface Measured {
  readonly pssMb: number;
  readonly cpuPct: number;
  /** Samples a second that the drivers delivered and passed on to the journal. */
  readonly perS: number;
  /** Age of the oldest sample not on disk yet, p99 of what was seen. */
  readonly p99Ms: number;
  readonly dropped: number;
  /** Warnings that scans take longer than their period, warm-up excluded. */
  readonly lateScans: number;
  /** Share of all cores in use, whoever used them. */
  readonly machine: number;
}

async function underLoad(
  ports: readonly number[],
  load: { readonly perS: number; readonly detectors: boolean },
): Promise<Measured> {
  const folder = await modbusFolder(ports, {
    pointsPerDevice: POINTS / DEVICES,
    everyMs: (1000 * POINTS) / load.perS,
    detectors: load.detectors,
  });
  const gateway = await GatewayProcess.start(folder);
  try {
    await pause(WARM_UP_MS);
    const machine = machineLoad();
    const lateBefore = gateway.lateScans;
    const cpuBeforeS = gateway.cpuS();
    const polls = [await gateway.journaled()];
    const [first] = polls as [Journaled];
    // Asking is work for the gateway, too: at the rate whose cost is measured, it is asked at the end only.
    while (performance.now() - first.atMs < RUN_MS) {
      await pause(load.perS > POINTS ? POLL_EVERY_MS : RUN_MS);
      polls.push(await gateway.journaled());
    }
    const last = polls.at(-1) ?? first;
    const tookS = (last.atMs - first.atMs) / 1000;
    return {
      pssMb: gateway.pssMb(),
      cpuPct: (100 * (gateway.cpuS() - cpuBeforeS)) / tookS,
      perS: (last.reported - first.reported) / tookS,
      p99Ms: oldestMs(polls, load.perS),
      dropped: last.dropped,
      lateScans: gateway.lateScans - lateBefore,
      machine: machine(),
    };
  } finally {
    await gateway.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Samples come evenly: as many as wait, so long ago came the oldest of them. */
function oldestMs(polls: readonly Journaled[], perS: number): number {
  const ages = polls.map(({ pending }) => (1000 * pending) / perS).sort((a, b) => a - b);
  return ages[Math.floor(0.99 * (ages.length - 1))] ?? 0;
}

/** Steps the rate up until it does not hold. */
async function highestRate(ports: readonly number[]): Promise<BenchResult> {
  let best: { readonly rate: number; readonly measured: Measured } | undefined;
  let failed = '';
  for (const rate of STEPS) {
    const measured = await underLoad(ports, { perS: rate, detectors: false });
    console.log(`${rate}/s:`, measured);
    const { perS, p99Ms, dropped, lateScans, cpuPct } = measured;
    const holds = perS >= 0.99 * rate && p99Ms < DURABLE_WITHIN_MS && dropped === 0 && lateScans === 0;
    if (!holds) {
      failed =
        `; at ${rate}/s: ${perS.toFixed(0)}/s, ${dropped} dropped, ${lateScans} warnings of late scans, ` +
        `p99 ${p99Ms.toFixed(0)} ms, ${cpuPct.toFixed(0)} % of a core, ${percent(measured.machine)} of the machine in use`;
      break;
    }
    best = { rate, measured };
  }
  const { rate = 0, measured } = best ?? {};
  const at =
    measured === undefined
      ? 'not even the first step'
      : `${measured.cpuPct.toFixed(0)} % of a core, ${measured.pssMb.toFixed(0)} MB, oldest unwritten sample p99 ${measured.p99Ms.toFixed(0)} ms`;
  return {
    key: 'gateway.modbus.maxPointsPerS',
    value: rate,
    unit: 'points/s',
    peer: '100,000/s at 497 MB',
    note:
      `${at}; ${POINTS} points read ever more often, steps of two, ${RUN_MS / 1000} s each: 99 % of scans made and ` +
      `on their way to the disk, nothing dropped, no warning of late scans, detectors off; Modbus servers on the same ${cpus().length} cores${failed}`,
  };
}

async function idle(): Promise<BenchResult[]> {
  const folder = await idleFolder(await closedPort());
  const starts: number[] = [];
  let pssMb = 0;
  let cpuPct = 0;
  try {
    for (let at = 0; at <= STARTS; at++) {
      const gateway = await GatewayProcess.start(folder);
      try {
        starts.push(await gateway.firstSampleS);
        if (at < STARTS) continue;
        await pause(3 * WARM_UP_MS);
        const before = gateway.cpuS();
        await pause(RUN_MS);
        cpuPct = (100 * (gateway.cpuS() - before)) / (RUN_MS / 1000);
        pssMb = gateway.pssMb();
      } finally {
        await gateway.stop();
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  // The first start fills the compile cache.
  const warm = starts.slice(1).sort((a, b) => a - b);
  const median = warm[Math.floor(warm.length / 2)] ?? Number.NaN;
  const what = 'broker, journal, uplink to a region that does not answer, detectors, one host device';
  return [
    {
      key: 'gateway.idle.pssMb',
      value: pssMb,
      unit: 'MB',
      target: '≤ 90',
      note: `${what}; ${cpuPct.toFixed(1)} % of a core`,
    },
    {
      key: 'gateway.firstSample.s',
      value: median,
      unit: 's',
      target: '< 1',
      note: `spawn to first sample on disk, median of ${warm.length} starts with warm compile cache (${(warm[0] ?? 0).toFixed(2)}–${(warm.at(-1) ?? 0).toFixed(2)} s)`,
    },
  ];
}

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return address !== null && typeof address === 'object' ? address.port : 9;
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
