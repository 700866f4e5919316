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

  /**
   * Physical interfaces only where there are any: bridges and tunnels would count the same bytes again.
   * @returns null when this machine does not tell
   */
  async network(): Promise<NetworkCounters | null> {
    const folder = join(this.#root, 'sys/class/net');
    const names = await list(folder);
    const others = names.filter((name) => name !== 'lo');
    const physical = await filter(
      others,
      async (name) => (await list(join(folder, name, 'device'))).length > 0,
    );
    let receivedBytes = 0;
    let sentBytes = 0;
    let known = false;
    for (const name of physical.length > 0 ? physical : others) {
      const received = await number(join(folder, name, 'statistics/rx_bytes'));
      const sent = await number(join(folder, name, 'statistics/tx_bytes'));
      if (received === null || sent === null) continue;
      known = true;
      receivedBytes += received;
      sentBytes += sent;
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
