import { type ChildProcess, fork, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatEnrolToken } from '@millwright/protocol';
import { loadOrCreateIdentity } from '@millwright/protocol/node/identity';

const root = join(import.meta.dirname, '..', '..');
const START_WITHIN_MS = 120_000;
/** Linux counts a process's time in hundredths of a second. */
const TICKS_PER_S = 100;

/** The parts of `/api/v1/status` and `/metrics` a benchmark asks for. */
export interface Journaled {
  readonly atMs: number;
  /** Samples the drivers delivered, and those that were passed on to the journal. */
  readonly received: number;
  readonly reported: number;
  readonly pending: number;
  readonly dropped: number;
}

/** `millwright gateway run` as its own process, in a folder and on ports of its own. */
export class GatewayProcess {
  readonly firstSampleS: Promise<number>;
  readonly #child: ChildProcess;
  readonly #folder: string;
  #printed = '';

  private constructor(folder: string) {
    this.#folder = folder;
    const startedMs = performance.now();
    const args = ['millwright.ts', 'gateway', 'run', '--config', join(folder, 'gateway.yaml')];
    this.#child = spawn(
      process.execPath,
      [...args, '--state', join(folder, 'state'), '--ready-file', join(folder, 'ready.json')],
      { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const stored = Promise.withResolvers<number>();
    this.firstSampleS = stored.promise;
    const hear = (chunk: Buffer) => {
      this.#printed = (this.#printed + chunk).slice(-200_000);
      if (this.#printed.includes('"first sample stored"'))
        stored.resolve((performance.now() - startedMs) / 1000);
    };
    this.#child.stdout?.on('data', hear);
    this.#child.stderr?.on('data', hear);
  }

  /** Resolves when devices are read and the API listens. */
  static async start(folder: string): Promise<GatewayProcess> {
    await rm(join(folder, 'ready.json'), { force: true });
    const gateway = new GatewayProcess(folder);
    const deadlineMs = performance.now() + START_WITHIN_MS;
    while (!existsSync(join(folder, 'ready.json'))) {
      if (gateway.#child.exitCode !== null || performance.now() > deadlineMs) {
        await gateway.stop();
        throw new Error(`the gateway did not get ready:\n${gateway.#printed.slice(-4000)}`);
      }
      await pause(5);
    }
    return gateway;
  }

  /** How often it warned that scans take longer than their period. */
  get lateScans(): number {
    return this.#printed.split('ticks are skipped').length - 1;
  }

  /** Proportional set size, MB of 10^6 bytes: memory shared with others counts in part. */
  pssMb(): number {
    const rollup = readFileSync(`/proc/${this.#child.pid}/smaps_rollup`, 'utf8');
    return (Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1]) * 1024) / 1e6;
  }

  /** Resident set size, MB of 10^6 bytes: what others share counts in full, as peers tell it. */
  rssMb(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1e6;
  }

  /** Seconds of processor time so far, all threads. @see proc_pid_stat(5) */
  cpuS(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
  }

  /** Where its API is. */
  get http(): string {
    const { http } = JSON.parse(readFileSync(join(this.#folder, 'ready.json'), 'utf8')) as { http: string };
    return http;
  }

  /** What its API asks of whoever changes something. */
  get token(): string {
    return readFileSync(join(this.#folder, 'state', 'api-token'), 'utf8').trim();
  }

  async journaled(): Promise<Journaled> {
    const { http } = this;
    const text = await (await fetch(new URL('/metrics', http))).text();
    const read = (name: string) => Number(new RegExp(`^millwright_${name} (\\S+)$`, 'm').exec(text)?.[1]);
    return {
      atMs: performance.now(),
      received: read('samples_received_total'),
      reported: read('samples_reported_total'),
      pending: read('journal_pending_samples'),
      dropped: read('journal_dropped_samples_total'),
    };
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }
}

export interface ModbusLoad {
  readonly pointsPerDevice: number;
  readonly everyMs: number;
  readonly detectors: boolean;
  /** Each device has a point `setpoint`, too, that can be written. */
  readonly hasSetpoint?: boolean;
}

const LAST_REGISTER = 65_535;

/** A folder with the configuration of a gateway that reads `uint16` holding registers, a device at each of `ports`. */
export async function modbusFolder(ports: readonly number[], load: ModbusLoad): Promise<string> {
  const { pointsPerDevice, everyMs, detectors } = load;
  const points = Array.from({ length: pointsPerDevice }, (_, at) => `  r${at}: { at: ${at}, as: uint16 }`);
  if (load.hasSetpoint) points.push(`  setpoint: { at: ${LAST_REGISTER}, as: uint16, write: {} }`);
  const type = `type: bench@1
driver: modbus
scans: { all: ${everyMs}ms }
defaults: { table: holding, base: 0, scan: all }
merge: { maxRegisters: 125 }
points:
${points.join('\n')}
`;
  const site = ports.map((port, at) => {
    const tcp = `127.0.0.1:${port}`;
    return `- { id: unit-${at}, type: bench@1, connect: { tcp: "${tcp}", unit: ${1 + at}, timeout: 1s } }\n`;
  });
  return configFolder({ site: site.join(''), type, more: `detectors: ${detectors}\n` });
}

/** A folder for a gateway with everything on, whose only device is this machine and whose region does not answer. */
export async function idleFolder(closedPort: number): Promise<string> {
  const site = '- { id: edge-box, type: this-machine@1, connect: { every: 1s } }\n';
  const folder = await configFolder({ site, more: `region: { address: "127.0.0.1:${closedPort}" }\n` });
  const identity = await loadOrCreateIdentity(join(folder, 'region'));
  const token = formatEnrolToken({ regionPeer: identity.peerId, secret: randomBytes(16) });
  await writeFile(join(folder, 'enrolment-token'), token);
  return folder;
}

async function configFolder(files: { site: string; type?: string; more: string }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millwright-bench-'));
  const config = 'name: bench\nsite: bench\nhttp: { port: 0 }\nbroker: { port: 0 }\ndevices: site.yaml\n';
  await writeFile(join(folder, 'site.yaml'), files.site);
  if (files.type === undefined) await writeFile(join(folder, 'gateway.yaml'), `${config}${files.more}`);
  else {
    const types = await mkdtemp(join(folder, 'types-'));
    await writeFile(join(types, 'bench.yaml'), files.type);
    await writeFile(join(folder, 'gateway.yaml'), `${config}types: ["${types}"]\n${files.more}`);
  }
  return folder;
}

/** Modbus servers in processes of their own, each with its share of `ports`. */
export async function startModbusServers(
  processes: number,
  ports: number,
): Promise<{ readonly ports: readonly number[]; stop(): void }> {
  const servers = Array.from({ length: processes }, () =>
    fork(join(import.meta.dirname, 'modbus-server.ts'), [String(ports / processes)], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    }),
  );
  const opened = await Promise.all(
    servers.map(async ({ stdout }) => {
      if (stdout === null) throw new Error('the Modbus server has no output');
      const [line] = await once(stdout, 'data');
      return String(line).trim().split(' ').map(Number);
    }),
  );
  return {
    ports: opened.flat(),
    stop: () => {
      for (const server of servers) if (server.connected) server.disconnect();
    },
  };
}

/** Share of all cores in use between two calls, whoever uses them: what else runs here spoils figures. */
export function machineLoad(): () => number {
  const read = () => {
    const times = cpus().map(({ times: each }) => each);
    const idle = times.reduce((sum, each) => sum + each.idle, 0);
    const all = times.reduce(
      (sum, { user, nice, sys, irq, idle }) => sum + user + nice + sys + irq + idle,
      0,
    );
    return { idle, all };
  };
  const before = read();
  return () => {
    const { idle, all } = read();
    return 1 - (idle - before.idle) / (all - before.all);
  };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
