export { createApp } from './api/app.ts';
export { Cloud } from './cloud.ts';
export { CloudConfig } from './config.ts';
export { type MergedView, mergeRegions, type RegionView } from './regions/merged-view.ts';
export {
  MemoryRegionStore,
  PostgresRegionStore,
  type RegionNews,
  type RegionStore,
} from './regions/store.ts';
export type { ReadyFile } from './up/world.ts';
