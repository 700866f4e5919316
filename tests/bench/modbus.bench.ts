import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DRIVER_MODULES } from '@millwright/device-drivers';
import { type DeviceSpecOf, resolveSite } from '@millwright/protocol';
import {
  GatewayProcess,
  type ModbusLoad,
  machineLoad,
  modbusFolder,
  pause,
  startModbusServers,
} from './gateway-process.ts';
import type { BenchResult } from './result.ts';

export const name = 'modbus';

const SERVERS = 2;
const MOST_DEVICES = 100;
const HIGH = { points: 100_000, devices: 8 };
const GRID = { devices: [1, 10, 100], points: [1000, 10_000, 100_000] };
const MOST_POINTS_OF_A_TYPE = 20_000;
const WRITES = 500;
const WARM_UP_WRITES = 20;
const WRITE_LOAD = { points: 10_000, devices: 8 };
/** `MILLWRIGHT_BENCH_SHORT=1` tries everything, and measures little. */
const isShort = process.env.MILLWRIGHT_BENCH_SHORT === '1';
const WARM_UP_MS = isShort ? 2000 : 8000;
const RUN_MS = isShort ? 3000 : 20_000;
const GRID_RUN_MS = isShort ? 2000 : 8000;

/** Modbus through the gateway as users run it: how much, at what cost, and how soon a write is known to hold. */
export async function run(): Promise<BenchResult[]> {
  const servers = await startModbusServers(SERVERS, MOST_DEVICES);
  try {
    return [
      ...(await highRate(servers.ports)),
      await mergeRatio(),
      ...(await grid(servers.ports)),
      ...(await writes(servers.ports)),
    ];
  } finally {
    servers.stop();
  }
}

interface Measured {
  readonly perS: number;
  readonly cpuPct: number;
  readonly pssMb: number;
  readonly lateScans: number;
  readonly machine: number;
}

async function withGateway<T>(
  ports: readonly number[],
  load: ModbusLoad,
  use: (gateway: GatewayProcess) => Promise<T>,
): Promise<T> {
  const folder = await modbusFolder(ports, load);
  const gateway = await GatewayProcess.start(folder);
  try {
    await pause(WARM_UP_MS);
    return await use(gateway);
  } finally {
    await gateway.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Samples a second that the drivers delivered. */
async function measure(
  ports: readonly number[],
  { points, devices }: { readonly points: number; readonly devices: number },
  forMs: number,
): Promise<Measured> {
  const load = { pointsPerDevice: Math.ceil(points / devices), everyMs: 1000, detectors: false };
  return withGateway(ports.slice(0, devices), load, async (gateway) => {
    const machine = machineLoad();
    const cpuBeforeS = gateway.cpuS();
    const lateBefore = gateway.lateScans;
    const first = await gateway.journaled();
    await pause(forMs);
    const last = await gateway.journaled();
    const tookS = (last.atMs - first.atMs) / 1000;
    return {
      perS: (last.received - first.received) / tookS,
      cpuPct: (100 * (gateway.cpuS() - cpuBeforeS)) / tookS,
      pssMb: gateway.pssMb(),
      lateScans: gateway.lateScans - lateBefore,
      machine: machine(),
    };
  });
}

async function highRate(ports: readonly number[]): Promise<BenchResult[]> {
  const { perS, cpuPct, pssMb, lateScans, machine } = await measure(ports, HIGH, RUN_MS);
  const note =
    `${HIGH.points} uint16 points once a second over ${HIGH.devices} connections, all changing, journal on disk, ` +
    `detectors off; ${lateScans} warnings of late scans, ${Math.round(100 * machine)} % of the machine in use`;
  return [
    { key: 'modbus.100k.pointsPerS', value: perS, unit: 'points/s', target: '≥ 99000', note },
    { key: 'modbus.100k.rssMb', value: pssMb, unit: 'MB', peer: '497 MB', note: 'proportional set size' },
    { key: 'modbus.100k.cpuPct', value: cpuPct, unit: '% of a core', note },
  ];
}

/** What the device types that come with Millwright cost with merging, as part of one request per point. */
async function mergeRatio(): Promise<BenchResult> {
  const folder = join(import.meta.dirname, '..', '..', 'device-drivers', 'types');
  const names = (await readdir(folder)).filter((each) => each.endsWith('.yaml'));
  const types = await Promise.all(
    names.map(async (file) => ({ name: file, text: await readFile(join(folder, file), 'utf8') })),
  );
  const ids = types
    .filter(({ text }) => /^driver: modbus$/m.test(text))
    .map(({ text }) => /^type: (\S+)$/m.exec(text)?.[1] ?? '');
  const text = ids.map((type, at) => `- { id: d${at}, type: ${type}, connect: { tcp: "x:502" } }\n`).join('');
  const specs = resolveSite({ site: { name: 'site.yaml', text }, types });
  const { plan } = await DRIVER_MODULES.modbus();
  const perS = (spec: DeviceSpecOf<'modbus'>) =>
    plan?.(spec).requests.reduce((sum, { everyMs = 1000 }) => sum + 1000 / everyMs, 0) ?? 0;
  let merged = 0;
  let apart = 0;
  for (const spec of specs) {
    if (spec.driver !== 'modbus') continue;
    merged += perS(spec);
    // A point of several registers is one request in either case.
    for (const [id, point] of Object.entries(spec.points))
      apart += perS({ ...spec, points: { [id]: point } });
  }
  return {
    key: 'modbus.merge.requestRatio',
    value: merged / apart,
    unit: 'ratio',
    target: '≤ 0.5',
    note: `${merged.toFixed(1)} requests a second instead of ${apart.toFixed(1)}: ${ids.join(', ')}`,
  };
}

async function grid(ports: readonly number[]): Promise<BenchResult[]> {
  const results: BenchResult[] = [];
  for (const devices of GRID.devices) {
    for (const points of GRID.points) {
      // A device type of 100,000 points is nothing that exists.
      if (points / devices > MOST_POINTS_OF_A_TYPE) continue;
      const { perS, cpuPct, pssMb, lateScans } = await measure(ports, { points, devices }, GRID_RUN_MS);
      const key = `modbus.grid.${devices}devices.${points / 1000}k.pointsPerS`;
      const note = `${cpuPct.toFixed(0)} % of a core, ${pssMb.toFixed(0)} MB, ${lateScans} warnings of late scans`;
      results.push({ key, value: perS, unit: 'points/s', note });
      console.log(key, Math.round(perS), note);
    }
  }
  return results;
}

/** From the request to the receipt, which is written when the device was read back. */
async function writes(ports: readonly number[]): Promise<BenchResult[]> {
  const { points, devices } = WRITE_LOAD;
  const load = { pointsPerDevice: points / devices, everyMs: 1000, detectors: false, hasSetpoint: true };
  const took = await withGateway(ports.slice(0, devices), load, async (gateway) => {
    const each: number[] = [];
    for (let nth = -WARM_UP_WRITES; nth < (isShort ? 50 : WRITES); nth++) {
      const url = new URL(
        `/api/v1/devices/unit-${Math.abs(nth) % devices}/points/setpoint/write`,
        gateway.http,
      );
      const beganMs = performance.now();
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${gateway.token}` },
        body: JSON.stringify({ value: Math.abs(nth), by: 'bench' }),
      });
      const text = await answer.text();
      if (nth >= 0) each.push(performance.now() - beganMs);
      if (!answer.ok || !text.includes('"done"'))
        throw new Error(`a write was not done: ${text.slice(0, 500)}`);
      await pause(7);
    }
    return each.sort((a, b) => a - b);
  });
  const at = (part: number) => took[Math.floor(part * (took.length - 1))] ?? Number.NaN;
  const note =
    `${took.length} writes over the API of a gateway that reads ${points} points a second over ${devices} connections: ` +
    'accepted and on disk, written, read back, receipt on disk';
  return [
    { key: 'write.readback.p50Ms', value: at(0.5), unit: 'ms', note },
    { key: 'write.readback.p99Ms', value: at(0.99), unit: 'ms', target: '< 50', peer: '523 ms mean', note },
  ];
}
