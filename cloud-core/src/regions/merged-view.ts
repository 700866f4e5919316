import type { RegionNews } from './store.ts';

/** All regions side by side, with the age of what is known of each. */
export interface MergedView {
  readonly atMs: number;
  readonly totals: {
    readonly gateways: number;
    readonly gatewaysOnline: number;
    readonly devices: number;
    readonly devicesOnline: number;
    readonly alarmsActive: number;
    readonly gaps: number;
    readonly samples: number;
  };
  readonly regions: readonly RegionView[];
}

export interface RegionView {
  readonly region: string;
  /** Milliseconds since the cloud heard from the region. */
  readonly newsAgeMs: number;
  /** No news for longer than a region's push interval allows: what follows may no longer be true. */
  readonly isStale: boolean;
  readonly version: string;
  readonly counts: RegionNews['summary']['counts'];
  readonly gateways: RegionNews['summary']['gateways'];
  readonly devices: RegionNews['summary']['devices'];
}

/** Regions push every 10 s; three missed pushes are worth a word. */
const STALE_AFTER_MS = 35_000;

export function mergeRegions(news: readonly RegionNews[], nowMs: number): MergedView {
  const regions = news.map(({ summary, receivedAtMs }): RegionView => {
    const newsAgeMs = Math.max(0, nowMs - receivedAtMs);
    return {
      region: summary.region,
      newsAgeMs,
      isStale: newsAgeMs > STALE_AFTER_MS,
      version: summary.version,
      counts: summary.counts,
      gateways: summary.gateways,
      devices: summary.devices,
    };
  });
  const sum = (pick: (region: RegionView) => number) =>
    regions.reduce((total, region) => total + pick(region), 0);
  return {
    atMs: nowMs,
    totals: {
      gateways: sum((r) => r.gateways.length),
      gatewaysOnline: sum((r) => r.gateways.filter((gateway) => gateway.online).length),
      devices: sum((r) => r.devices.length),
      devicesOnline: sum((r) => r.devices.filter((device) => device.online).length),
      alarmsActive: sum((r) => r.counts.alarmsActive),
      gaps: sum((r) => r.counts.gaps),
      samples: sum((r) => r.counts.samples),
    },
    regions,
  };
}
