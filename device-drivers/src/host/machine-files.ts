import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes since boot, summed over the interfaces that carry the machine's traffic. */
export interface NetworkCounters {
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

const CPU_SENSORS = /^(coretemp|k10temp|zenpower|cpu[-_]?thermal|soc[-_]?thermal|x86_pkg_temp|acpitz)/i;

/** Linux tells its counters in files; reading them costs no process, which a tick each second must not. */
export class MachineFiles {
  readonly #root: string;

  /** @param root another one in tests */
  constructor(root = '/') {
    this.#root = root;
  }

  /** Physical interfaces, and others only where there is none: bridges and tunnels would count the same bytes again. */
  async interfaces(): Promise<ReadonlySet<string>> {
    const folder = join(this.#root, 'sys/class/net');
    const names = (await list(folder)).filter((name) => name !== 'lo');
    const physical = await filter(
      names,
      async (name) => (await list(join(folder, name, 'device'))).length > 0,
    );
    return new Set(physical.length > 0 ? physical : names);
  }

  /** @returns null when this machine does not tell */
  async network(interfaces: ReadonlySet<string>): Promise<NetworkCounters | null> {
    const table = await text(join(this.#root, 'proc/net/dev'));
    if (table === null) return null;
    let receivedBytes = 0;
    let sentBytes = 0;
    let known = false;
    for (const line of table.split('\n')) {
      const colon = line.indexOf(':');
      if (colon < 0 || !interfaces.has(line.slice(0, colon).trim())) continue;
      // proc_pid_net(5): eight columns of what was received, then eight of what was sent.
      const columns = line
        .slice(colon + 1)
        .trim()
        .split(/\s+/)
        .map(Number);
      known = true;
      receivedBytes += columns[0] ?? 0;
      sentBytes += columns[8] ?? 0;
    }
    return known ? { receivedBytes, sentBytes } : null;
  }

  /** @returns the file that holds the processor's temperature in thousandths of a degree, or null */
  async temperatureFile(): Promise<string | null> {
    const monitors = join(this.#root, 'sys/class/hwmon');
    for (const name of await list(monitors)) {
      const label = await text(join(monitors, name, 'name'));
      const file = join(monitors, name, 'temp1_input');
      if (label !== null && CPU_SENSORS.test(label) && (await number(file)) !== null) return file;
    }
    const zones = join(this.#root, 'sys/class/thermal');
    for (const name of await list(zones)) {
      const label = await text(join(zones, name, 'type'));
      const file = join(zones, name, 'temp');
      if (label !== null && CPU_SENSORS.test(label) && (await number(file)) !== null) return file;
    }
    return null;
  }

  /** @returns degrees Celsius, or null when the sensor does not answer */
  async temperatureC(file: string): Promise<number | null> {
    const thousandths = await number(file);
    return thousandths === null ? null : thousandths / 1000;
  }
}

async function list(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

async function text(file: string): Promise<string | null> {
  return readFile(file, 'utf8').then(
    (content) => content.trim(),
    () => null,
  );
}

async function number(file: string): Promise<number | null> {
  const content = await text(file);
  return content !== null && /^-?\d+$/.test(content) ? Number(content) : null;
}

async function filter(names: readonly string[], keep: (name: string) => Promise<boolean>): Promise<string[]> {
  const kept: string[] = [];
  for (const name of names) if (await keep(name)) kept.push(name);
  return kept;
}
