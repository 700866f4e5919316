import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DRIVER_MODULES } from '@millwright/device-drivers';
import { InlineDevice, PointId, PointNo } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import type { BenchResult } from './result.ts';

export const name = 'opcua';

const ITEMS = 10_000;
/** The server sets each of its values anew so often; more than it can deliver would measure the server. */
const CHANGE_MS = Number(process.env.MILLWRIGHT_BENCH_OPCUA_CHANGE_MS ?? 1000);
const SETTLE_MS = 5000;
const MEASURE_MS = Number(process.env.MILLWRIGHT_BENCH_OPCUA_MS ?? 30_000);
const UP_WITHIN_MS = 120_000;
/** Linux counts a process's time in hundredths of a second. */
const TICKS_PER_S = 100;
const SERVER = fileURLToPath(new URL('../../device-drivers/src/opcua/test-big-server.ts', import.meta.url));

/** 10,000 monitored items published every 100 ms, from a node-opcua server in a process of its own. */
export async function run(): Promise<BenchResult[]> {
  const server = fork(SERVER, [String(ITEMS), '1000', String(CHANGE_MS)]);
  try {
    const [{ port }] = (await once(server, 'message')) as [{ port: number }];
    return await measure(port, server);
  } finally {
    const gone = once(server, 'exit');
    server.disconnect();
    await gone;
  }
}

async function measure(port: number, server: ChildProcess): Promise<BenchResult[]> {
  const ids = Array.from({ length: ITEMS }, (_, no) => PointId.parse(`v${no}`));
  const points = ids.map((id) => [
    id,
    { node: `ns=1;s=${id}`, as: 'float64', subscribe: { publish: '100ms', queue: 2 } },
  ]);
  const spec = InlineDevice.parse({
    id: 'big',
    driver: 'opcua',
    connect: { url: `opc.tcp://127.0.0.1:${port}`, timeout: '30s' },
    points: Object.fromEntries(points),
  });
  if (spec.driver !== 'opcua') throw new TypeError('the device is no OPC UA device');
  const numbers = new Map(ids.map((id, no) => [id, PointNo.parse(no)]));
  const { create } = await DRIVER_MODULES.opcua();
  const up = Promise.withResolvers<void>();
  let samples = 0;
  const driver = create([{ spec, numbers }], {
    clock: systemClock,
    logger: new MemoryLogger(),
    sink: (batch) => {
      samples += batch.length;
    },
    onState: (_device, { online }) => {
      if (online) up.resolve();
    },
  });
  await driver.start();
  try {
    await Promise.race([up.promise, pause(UP_WITHIN_MS).then(() => up.reject(new Error('never online')))]);
    await pause(SETTLE_MS);
    const worker = workerBeside(server);
    const before = { worker: cpuS(worker), own: process.cpuUsage(), samples, atMs: performance.now() };
    await pause(MEASURE_MS);
    const seconds = (performance.now() - before.atMs) / 1000;
    const own = process.cpuUsage(before.own);
    const workerPct = (100 * (cpuS(worker) - before.worker)) / seconds;
    const ownPct = (own.user + own.system) / 1e4 / seconds;
    const rate = Math.round((samples - before.samples) / seconds);
    const note = `${ITEMS} items, each changing every ${CHANGE_MS} ms: ${rate} values/s; worker ${workerPct.toFixed(0)} %, gateway's side ${ownPct.toFixed(0)} % of a core`;
    return [
      { key: 'opcua.10kItems.cpuPct', value: round(workerPct + ownPct), unit: '% of a core', note },
      { key: 'opcua.10kItems.rssMb', value: round(rssMb(worker)), unit: 'MB', note: 'of the OPC UA worker' },
    ];
  } finally {
    await driver.stop();
  }
}

/** The driver's worker: the child of this process that is not the server. */
function workerBeside(server: ChildProcess): number {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').split(' ');
  const worker = children.map(Number).find((pid) => pid > 0 && pid !== server.pid);
  if (worker === undefined) throw new Error('the OPC UA worker does not run');
  return worker;
}

function cpuS(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

function rssMb(pid: number): number {
  const rss = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return (Number(rss) * 1024) / 1e6;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
