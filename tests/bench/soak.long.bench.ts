import { rm } from 'node:fs/promises';
import { GatewayProcess, machineLoad, modbusFolder, pause, startModbusServers } from './gateway-process.ts';
import type { BenchResult } from './result.ts';

export const name = 'soak';

const DEVICES = 8;
const POINTS = 10_000;
const MINUTE_MS = 60_000;
/** Minutes until what starts once has started, and until the end. */
const [WARM_UP, WHOLE] = [10, 60];
/** The mean of so many minutes on either side: one look may fall before or after a collection of garbage. */
const SPAN = 5;

/** A gateway at its rated load for an hour, detectors on: does its memory grow? */
export async function run(): Promise<BenchResult[]> {
  const servers = await startModbusServers(2, DEVICES);
  const load = { pointsPerDevice: POINTS / DEVICES, everyMs: 1000, detectors: true };
  const folder = await modbusFolder(servers.ports, load);
  const gateway = await GatewayProcess.start(folder);
  try {
    const machine = machineLoad();
    const perMinute: number[] = [];
    for (let minute = 1; minute <= WHOLE; minute++) {
      await pause(MINUTE_MS);
      perMinute.push(gateway.rssMb());
      if (minute % 10 === 0) console.log(`${minute} min: ${perMinute.at(-1)?.toFixed(1)} MB`);
    }
    const early = mean(perMinute.slice(WARM_UP - SPAN, WARM_UP));
    const late = mean(perMinute.slice(-SPAN));
    const { dropped } = await gateway.journaled();
    const share = Math.round(100 * machine());
    return [
      {
        key: 'soak.hour.rssGrowthPct',
        value: (100 * (late - early)) / early,
        unit: '%',
        target: '≤ 5',
        note:
          `RSS ${early.toFixed(0)} MB in minutes ${WARM_UP - SPAN}–${WARM_UP}, ${late.toFixed(0)} MB in the last ${SPAN} of ` +
          `${WHOLE}; ${POINTS} Modbus points/s, detectors on, ${dropped} samples dropped, ${share} % of the machine in use`,
      },
    ];
  } finally {
    await gateway.stop();
    servers.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
