import { type ChildProcess, execFile, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hasMosquitto, Mosquitto } from '../support/mosquitto.ts';
import { GatewayProcess, modbusFolder, pause, startModbusServers } from './gateway-process.ts';
import type { BenchResult } from './result.ts';

export const name = 'nodered';

const PACKAGES = ['node-red@5.0.7', 'node-red-contrib-modbus@5.60.2'];
/** It names a fork that is not in the npm registry; the original speaks the same. */
const OVERRIDES = { '@openp4nr/modbus-serial': 'npm:modbus-serial@8.0.25' };
const DEVICES = 8;
const REGISTERS = 100;
const EVERY_MS = 100;
const WARM_UP_MS = 5000;
const RUN_MS = Number(process.env.MILLWRIGHT_BENCH_MS ?? 20_000);
const TICKS_PER_S = 100;

interface Measured {
  readonly messagesPerS: number;
  /** Seconds of processor time per second. */
  readonly cpu: number;
  readonly rssMb: number;
}

/**
 * The same job twice: read 100 registers from each of eight Modbus TCP devices ten times a second, and publish each
 * value that changed (all do) as a message of its own to mosquitto, whose one subscriber counts them.
 */
export async function run(): Promise<BenchResult[]> {
  if (!hasMosquitto) throw new Error('mosquitto is not installed: apt-get install mosquitto');
  const servers = await startModbusServers(1, DEVICES);
  try {
    const gateway = await measured((port) => startGateway(servers.ports, port));
    const nodeRed = await measured((port) => startNodeRed(servers.ports, port));
    const perCpuS = ({ messagesPerS, cpu }: Measured) => messagesPerS / cpu;
    const told = ({ messagesPerS, cpu, rssMb }: Measured) =>
      `${messagesPerS.toFixed(0)} msg/s with ${(100 * cpu).toFixed(0)} % of a core and ${rssMb.toFixed(0)} MB`;
    return [
      {
        key: 'nodered.modbus.ratio',
        value: perCpuS(gateway) / perCpuS(nodeRed),
        unit: '×',
        target: '≥ 1',
        note:
          `messages per second of processor time, ours over Node-RED's; wanted: ${(DEVICES * REGISTERS * 1000) / EVERY_MS} msg/s; ` +
          `gateway (which also keeps a journal) ${told(gateway)}; Node-RED (${PACKAGES.join(', ')}, with modbus-serial 8.0.25) ${told(nodeRed)}; ${cpus().length} cores shared with broker, devices and subscriber`,
      },
    ];
  } finally {
    servers.stop();
  }
}

interface Started {
  readonly pid: number;
  stop(): Promise<void>;
}

async function measured(start: (port: number) => Promise<Started>): Promise<Measured> {
  const mosquitto = await Mosquitto.started();
  const subscriber = fork(join(import.meta.dirname, 'mqtt-load.ts'), ['subscribe'], { stdio: 'inherit' });
  try {
    subscriber.send({ port: mosquitto.port, qos: 0, filter: '#' });
    await once(subscriber, 'message');
    const started = await start(mosquitto.port);
    try {
      const count = async () => {
        subscriber.send('count');
        const [{ received }] = (await once(subscriber, 'message')) as [{ received: number }];
        return { received, cpuS: cpuS(started.pid), atMs: performance.now() };
      };
      await pause(WARM_UP_MS);
      const before = await count();
      await pause(RUN_MS);
      const after = await count();
      const tookS = (after.atMs - before.atMs) / 1000;
      return {
        messagesPerS: (after.received - before.received) / tookS,
        cpu: (after.cpuS - before.cpuS) / tookS,
        rssMb: rssMb(started.pid),
      };
    } finally {
      await started.stop();
    }
  } finally {
    await end(subscriber);
    await mosquitto.dispose();
  }
}

async function startGateway(ports: readonly number[], broker: number): Promise<Started> {
  const folder = await modbusFolder(ports, {
    pointsPerDevice: REGISTERS,
    everyMs: EVERY_MS,
    detectors: false,
  });
  const json = `{ retain: false, every: ${EVERY_MS}ms, perSecond: 100000 }`;
  await appendFile(
    join(folder, 'gateway.yaml'),
    `publish: { broker: "mqtt://127.0.0.1:${broker}", json: ${json}, homeAssistant: false }\n`,
  );
  const gateway = await GatewayProcess.start(folder);
  const { pid } = JSON.parse(readFileSync(join(folder, 'ready.json'), 'utf8')) as { pid: number };
  const stop = async () => {
    await gateway.stop();
    await rm(folder, { recursive: true, force: true });
  };
  return { pid, stop };
}

/** Installs Node-RED into a folder of its own, which goes with it. */
async function startNodeRed(ports: readonly number[], broker: number): Promise<Started> {
  const folder = await mkdtemp(join(tmpdir(), 'millwright-node-red-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  let child: ChildProcess;
  try {
    await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, overrides: OVERRIDES }));
    const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...PACKAGES];
    await promisify(execFile)('npm', args, { cwd: folder });
    await writeFile(join(folder, 'flows.json'), JSON.stringify(flows(ports, broker)));
    await writeFile(join(folder, 'settings.js'), SETTINGS);
    const red = join(folder, 'node_modules', 'node-red', 'red.js');
    child = spawn(process.execPath, [red, '-u', folder, '-s', join(folder, 'settings.js'), 'flows.json'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  } catch (error) {
    await remove();
    throw error;
  }
  const stop = async () => {
    await end(child);
    await remove();
  };
  return { pid: child.pid ?? 0, stop };
}

const SETTINGS = `module.exports = {
  flowFile: 'flows.json', httpAdminRoot: false, httpNodeRoot: false, credentialSecret: 'bench',
  telemetry: { enabled: false, updateNotification: false }, logging: { console: { level: 'error' } },
};
`;

function flows(ports: readonly number[], broker: number): object[] {
  const nodes = ports.flatMap((port, at) => [
    {
      ...{
        id: `client${at}`,
        type: 'modbus-client',
        name: `unit-${at}`,
        clienttype: 'tcp',
        bufferCommands: true,
      },
      ...{ stateLogEnabled: false, queueLogEnabled: false, failureLogEnabled: false },
      ...{ tcpHost: '127.0.0.1', tcpPort: String(port), tcpType: 'DEFAULT', unit_id: String(1 + at) },
      ...{ commandDelay: '1', clientTimeout: '1000', reconnectOnTimeout: true, reconnectTimeout: '2000' },
      parallelUnitIdsAllowed: true,
    },
    {
      ...{ id: `read${at}`, type: 'modbus-read', z: 'tab', name: '', topic: '', server: `client${at}` },
      ...{ unitid: String(1 + at), dataType: 'HoldingRegister', adr: '0', quantity: String(REGISTERS) },
      ...{ rate: String(EVERY_MS), rateUnit: 'ms', showStatusActivities: false, logIOActivities: false },
      ...{ showErrors: false, useIOFile: false, ioFile: '', useIOForPayload: false, emptyMsgOnFail: false },
      ...{ delayOnStart: false, startDelayTime: '', wires: [[`each${at}`], []] },
    },
    {
      ...{ id: `each${at}`, type: 'function', z: 'tab', name: '', outputs: 1, wires: [['out']] },
      func: `const last = context.get('last') || [];
context.set('last', msg.payload);
return [msg.payload.flatMap((value, at) => value === last[at] ? [] : [{ topic: 'unit-${at}/r' + at, payload: JSON.stringify({ v: value }) }])];`,
    },
  ]);
  return [
    { id: 'tab', type: 'tab', label: 'bench' },
    {
      ...{
        id: 'broker',
        type: 'mqtt-broker',
        name: '',
        broker: '127.0.0.1',
        port: String(broker),
        clientid: '',
      },
      ...{ autoConnect: true, usetls: false, protocolVersion: '4', keepalive: '60', cleansession: true },
    },
    {
      id: 'out',
      type: 'mqtt out',
      z: 'tab',
      topic: '',
      qos: '0',
      retain: 'false',
      broker: 'broker',
      wires: [],
    },
    ...nodes,
  ];
}

/** @see proc_pid_stat(5) */
function cpuS(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

function rssMb(pid: number): number {
  return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024) / 1e6;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
