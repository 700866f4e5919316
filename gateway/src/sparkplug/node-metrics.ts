import type { Metric } from '@millwright/device-drivers/sparkplug';

export const REBIRTH = 'Node Control/Rebirth';

export interface DeviceCounts {
  readonly total: number;
  readonly online: number;
}

/** What the gateway says of itself. */
export class NodeMetrics {
  readonly #version: string;
  #sent: DeviceCounts = { total: 0, online: 0 };

  constructor(config: { readonly version: string }) {
    this.#version = config.version;
  }

  bdSeq(value: number, timestampMs: number): Metric {
    return { name: 'bdSeq', type: 'Int64', value, timestampMs };
  }

  /** Rebirth and bdSeq go by name: a host must know them before it has read any alias. */
  birth(bdSeq: number, counts: DeviceCounts, timestampMs: number): Metric[] {
    this.#sent = counts;
    return [
      this.bdSeq(bdSeq, timestampMs),
      { name: REBIRTH, type: 'Boolean', value: false, timestampMs },
      {
        name: 'Properties/Software',
        alias: 1,
        type: 'String',
        value: `Millwright ${this.#version}`,
        timestampMs,
      },
      { name: 'Devices/Total', alias: 2, type: 'Int32', value: counts.total, timestampMs },
      { name: 'Devices/Online', alias: 3, type: 'Int32', value: counts.online, timestampMs },
    ];
  }

  changed(counts: DeviceCounts, timestampMs: number): Metric[] {
    const before = this.#sent;
    this.#sent = counts;
    return [
      ...(counts.total === before.total
        ? []
        : [{ alias: 2, type: 'Int32', value: counts.total, timestampMs } as const]),
      ...(counts.online === before.online
        ? []
        : [{ alias: 3, type: 'Int32', value: counts.online, timestampMs } as const]),
    ];
  }
}
